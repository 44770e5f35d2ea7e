// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/qcow2test"
)

// scenario takes space in several ways. It goes on after an error, as a server
// does, and returns the first one.
func scenario(i *Image) (first error) {
	half := i.size / 2
	for _, err := range []error{
		i.WriteAt(qcow2test.Pattern(0, 5000), 0),
		i.Ensure(half, 3*i.ClusterSize(), 40*i.ClusterSize()),
		i.Sync(),
		i.MakeZero(512, 3000),
		i.WriteAt(qcow2test.Pattern(half-700, 1400), half-700),
		i.MakeZero(half+600, 1000),
		i.Sync(),
	} {
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Whatever single operation on the file fails: the caller hears of it with its
// errno, the image stays sound, nothing foreign becomes readable, and once the
// file works again so does the image, unless a flush was lost.
func TestFaults(t *testing.T) {
	shapes := map[string]CreateOptions{
		"small clusters": {Size: 256 << 10, ClusterSize: 512, RefcountBits: 64},
		"extended L2":    {Size: 1 << 20, ClusterSize: 16384, ExtendedL2: true, RefcountBits: 1},
		"zoned":          {Size: 512 << 10, ClusterSize: 4096, Zone: &ZoneOptions{Size: 128 << 10}},
	}
	for name, o := range shapes {
		t.Run(name, func(t *testing.T) {
			kinds := map[storagetest.OpKind]int{storagetest.OpRead: 30}
			for _, op := range failAt(t, o, storagetest.OpAny, 0) {
				kinds[op.Kind]++
			}
			if len(kinds) != 5 {
				t.Fatalf("the scenario does not do every kind of operation: %v", kinds)
			}
			for kind, n := range kinds {
				for nth := 1; nth <= n; nth++ {
					failAt(t, o, kind, nth)
				}
			}
		})
	}
}

// A full file system costs no space: whatever single write finds no room, what
// was taken for it is given back at once.
func TestNoRoomLeaksNothing(t *testing.T) {
	for _, o := range []CreateOptions{
		{Size: 256 << 10, ClusterSize: 512},
		{Size: 1 << 20, ClusterSize: 4096},
		{Size: 1 << 20, ClusterSize: 16384, ExtendedL2: true},
	} {
		for nth, failed := 1, true; failed; nth++ {
			mem := new(storagetest.Mem)
			create(t, mem, o)
			f := storagetest.NewRecorder(mem)
			i := reopen(t, f)
			calls := f.Calls(storagetest.OpWrite)
			f.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: nth, Err: unix.ENOSPC, Moved: 24 * (nth % 2)})
			scenario(i)
			failed = f.Calls(storagetest.OpWrite)-calls >= nth
			f.Heal()
			if err := i.Sync(); err != nil {
				t.Fatal(err)
			}
			if r, err := check.Check(mem, check.Options{}); err != nil || r.Corruptions > 0 || r.Leaks > 0 {
				t.Errorf("clusters of %d, write %d: %d corruptions, %d leaks, %v", o.ClusterSize, nth, r.Corruptions, r.Leaks, err)
			}
		}
	}
}

// failAt runs the scenario with the nth operation of a kind failing, or none,
// and returns what was done to the file.
func failAt(t *testing.T, o CreateOptions, kind storagetest.OpKind, nth int) []storagetest.Op {
	t.Helper()
	mem := new(storagetest.Mem)
	create(t, mem, o)
	soilBehind(mem, o.ClusterSize)
	f := storagetest.NewRecorder(mem)
	i := reopen(t, f)
	f.Inject(storagetest.Fault{Kind: kind, Nth: nth, Err: unix.ENOSPC, Moved: 24})
	err := scenario(i)
	f.Heal()
	judgeFault(t, i, kind, nth, err)
	qcow2test.MustBeSound(t, mem, false)
	mustBeOldOrNew(t, mem, err == nil)
	ops := f.Ops()
	if i.Failed() == nil {
		if err := scenario(i); err != nil {
			t.Fatalf("%v %d: after it works again: %v", kind, nth, err)
		}
		mustBeOldOrNew(t, mem, true)
	}
	i.Close()
	qcow2test.MustBeSound(t, mem, false)
	return ops
}

// judgeFault: a failed flush must be told; the rest can be got around, most
// easily where more space was tried for than asked.
func judgeFault(t *testing.T, i *Image, kind storagetest.OpKind, nth int, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v %d failed: error %v has lost its errno", kind, nth, err)
	}
	if kind == storagetest.OpSync && (err == nil || !errors.Is(i.Failed(), ErrFailed)) {
		t.Errorf("%v %d failed: error %v, image %v", kind, nth, err, i.Failed())
	}
}

// soilBehind fills the space behind an image with old bytes.
func soilBehind(mem *storagetest.Mem, n uint64) {
	size, _ := mem.Size()
	mem.WriteAt(bytes.Repeat([]byte{soil}, int(20*n)), size)
}

// mustBeOldOrNew: each byte is what the scenario leaves there; or, if it did not
// succeed, zero or what it writes there.
func mustBeOldOrNew(t *testing.T, f storage.File, succeeded bool) {
	t.Helper()
	i, err := Open(f, OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, i.size)
	if err := i.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	want := outcome(i.size)
	if succeeded && !bytes.Equal(got, want) {
		t.Fatalf("the disk is wrong: %s", firstDifference(got, want))
	}
	for k := 0; k < len(got); k += 512 {
		if bytes.Equal(got[k:k+512], want[k:k+512]) {
			continue
		}
		for off := k; off < k+512; off++ {
			if got[off] != 0 && got[off] != patternPrefix()[off] {
				t.Fatalf("byte %d reads %#x, want %#x", off, got[off], want[off])
			}
		}
	}
}

// outcome is the disk after a scenario without errors.
func outcome(size uint64) []byte {
	disk := make([]byte, size)
	half := size / 2
	copy(disk, patternPrefix()[:5000])
	clear(disk[512:3512])
	copy(disk[half-700:], patternPrefix()[half-700:half+700])
	clear(disk[half+600 : half+1600])
	return disk
}
