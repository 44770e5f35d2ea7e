// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/qcow2test"
)

var when = time.Unix(1700000000, 0)

// plain makes an image of some data: a disk of 3 MiB and a bit, several L2 tables with
// small clusters.
func plain(t testing.TB, o qcow2.CreateOptions) *storagetest.Mem {
	t.Helper()
	m := storagetest.NewMem(nil)
	o.Size = 3<<20 + 1024
	if err := qcow2.Create(m, o); err != nil {
		t.Fatal(err)
	}
	scribble(t, m, 1)
	return m
}

// scribble writes and zeroes here and there.
func scribble(t testing.TB, m storage.File, seed uint64) {
	t.Helper()
	i, err := qcow2.Open(m, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	for k := range 24 {
		n := 512 * (1 + rng.Uint64N(64))
		off := rng.Uint64N((i.VirtualSize()-n)/512) * 512
		if k%5 == 4 {
			err = i.MakeZero(off, n)
		} else {
			err = i.WriteAt(bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, int(n)), off)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
}

// disk is what the disk holds, its size included.
func disk(t testing.TB, f storage.File) string {
	t.Helper()
	i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, i.VirtualSize())
	if err := i.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// shapes of images.
func shapes() map[string]qcow2.CreateOptions {
	return map[string]qcow2.CreateOptions{
		"512 byte clusters": {ClusterSize: 512},
		"4K clusters":       {ClusterSize: 4096},
		"64K clusters":      {},
		"subclusters":       {ClusterSize: 16384, ExtendedL2: true},
	}
}

// kind is a change, on an image that was prepared for it.
type kind struct {
	prepare func(f storage.File) error
	do      func(f storage.File, p Progress) error
}

func nothing(storage.File) error { return nil }

func snapshot(f storage.File) error { return CreateSnapshot(f, "one", when, nil) }

func shrink(f storage.File, p Progress) error {
	return Resize(f, ResizeOptions{Size: 1<<20 + 512, Shrink: true, Progress: p})
}

func kinds() map[string]kind {
	return map[string]kind{
		"grow":                   {nothing, func(f storage.File, p Progress) error { return Resize(f, ResizeOptions{Size: 9 << 20, Progress: p}) }},
		"shrink":                 {nothing, shrink},
		"shrink over a snapshot": {snapshot, shrink},
		"create":                 {nothing, func(f storage.File, p Progress) error { return CreateSnapshot(f, "one", when, p) }},
		"create 2":               {snapshot, func(f storage.File, p Progress) error { return CreateSnapshot(f, "two", when, p) }},
		"apply":                  {snapshot, func(f storage.File, p Progress) error { return ApplySnapshot(f, "one", p) }},
		"delete":                 {snapshot, func(f storage.File, p Progress) error { return DeleteSnapshot(f, "1", p) }},
		"compact": {func(f storage.File) error {
			return errors.Join(snapshot(f), Resize(f, ResizeOptions{Size: 2 << 20, Shrink: true}), DeleteSnapshot(f, "one", nil))
		}, func(f storage.File, p Progress) error { _, err := Compact(f, p); return err }},
	}
}

// ready is an image for a kind of change.
func ready(t testing.TB, o qcow2.CreateOptions, k kind) *storagetest.Mem {
	m := plain(t, o)
	if err := k.prepare(m); err != nil {
		t.Fatal(err)
	}
	i, err := qcow2.Open(m, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if i.VirtualSize() > 2<<20 {
		scribble(t, m, 2)
	}
	return m
}

// TestKilled: after a cut at any operation, with whatever of the page cache on the disk, the
// image opens, and is the old or the new one; the next open for writing frees all leaks.
func TestKilled(t *testing.T) {
	for shape, o := range shapes() {
		for name, k := range kinds() {
			t.Run(shape+", "+name, func(t *testing.T) {
				t.Parallel()
				m := ready(t, o, k)
				before := disk(t, m)
				rec := storagetest.NewRecorder(m)
				if err := k.do(rec, nil); err != nil {
					t.Fatal(err)
				}
				after := disk(t, rec)
				qcow2test.MustBeSound(t, rec, true)
				states := 0
				for n := 0; n <= rec.Len(); n += 1 + rec.Len()/25 {
					for seed := range uint64(3) {
						survives := storagetest.Shuffled(seed)
						if seed == 0 {
							survives = storagetest.All
						}
						m := rec.Crash(n, survives)
						if got := disk(t, m); got != before && got != after {
							t.Fatalf("cut after %d of %d operations: neither the old disk nor the new", n, rec.Len())
						}
						i, err := qcow2.Open(m, qcow2.OpenOptions{})
						if err == nil {
							err = i.Close()
						}
						if err != nil {
							t.Fatalf("cut after %d of %d operations: %v", n, rec.Len(), err)
						}
						qcow2test.MustBeSound(t, m, true)
						states++
					}
				}
				t.Logf("%d states of %d operations", states, rec.Len())
			})
		}
	}
}

// TestFailing: no operation that fails is taken for one that did not.
func TestFailing(t *testing.T) {
	for name, k := range kinds() {
		for _, op := range []storagetest.OpKind{storagetest.OpWrite, storagetest.OpSync, storagetest.OpTruncate} {
			for nth := 1; nth < 40; nth++ {
				m := ready(t, qcow2.CreateOptions{ClusterSize: 4096}, k)
				before := disk(t, m)
				rec := storagetest.NewRecorder(m)
				rec.Inject(storagetest.Fault{Kind: op, Nth: nth, Err: unix.EIO})
				err := k.do(rec, nil)
				if err == nil {
					break
				}
				if !errors.Is(err, unix.EIO) {
					t.Errorf("%s, %v %d fails: %v", name, op, nth, err)
				}
				rec.Heal()
				if r := qcow2test.MustCheck(t, rec, check.Options{Repair: check.RepairLeaks}); !r.Clean() {
					t.Errorf("%s, %v %d fails: %s", name, op, nth, qcow2test.Text(r))
				}
				if len(before) > 0 && name == "create" && disk(t, rec) != before {
					t.Errorf("%s, %v %d fails: another disk", name, op, nth)
				}
			}
		}
	}
}

// TestCompressed: what a compressed cluster holds behind the end of the disk is gone, too.
func TestCompressed(t *testing.T) {
	for name, pack := range convert.Packers {
		src, m := plain(t, qcow2.CreateOptions{}), new(storagetest.Mem)
		i, err := qcow2.Open(src, qcow2.OpenOptions{})
		if err == nil {
			err = i.WriteAt(bytes.Repeat([]byte("held by a cluster "), 16384)[:4*65536], 1<<20)
		}
		if err == nil {
			err = convert.Export(i, m, convert.ExportOptions{Compress: pack})
		}
		if err != nil {
			t.Fatal(err)
		}
		const end = 1<<20 + 65536 + 512
		want := disk(t, m)[:end] + string(make([]byte, 65536))
		if err := errors.Join(Resize(m, ResizeOptions{Size: end, Shrink: true}), Resize(m, ResizeOptions{Size: end + 65536})); err != nil {
			t.Fatal(name, err)
		}
		qcow2test.MustBeSound(t, m, true)
		if disk(t, m) != want {
			t.Errorf("%s: another disk", name)
		}
	}
}

// TestRefcountsGrow: a snapshot of an image whose refcounts have no room gets more.
func TestRefcountsGrow(t *testing.T) {
	for _, cluster := range []uint64{512, 1024} {
		m := plain(t, qcow2.CreateOptions{ClusterSize: cluster})
		for k := range 40 {
			if err := CreateSnapshot(m, fmt.Sprint("s", k), when, nil); err != nil {
				t.Fatal(err)
			}
			scribble(t, m, uint64(k))
		}
		qcow2test.MustBeSound(t, m, true)
		want := disk(t, m)
		for k := range 40 {
			if err := DeleteSnapshot(m, fmt.Sprint("s", 39-k), nil); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Compact(m, nil)
		if err != nil || c.After >= c.Before {
			t.Errorf("%+v, %v", c, err)
		}
		qcow2test.MustBeSound(t, m, true)
		if disk(t, m) != want {
			t.Error("another disk")
		}
	}
}
