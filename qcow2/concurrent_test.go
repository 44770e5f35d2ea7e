// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// Goroutines write parts of the disk of their own while others look at all of
// it, with far fewer L2 tables in memory than there are.
func TestConcurrentUse(t *testing.T) {
	for name, o := range map[string]CreateOptions{
		"small clusters": {Size: 2 << 20, ClusterSize: 512, RefcountBits: 64},
		"extended L2":    {Size: 2<<20 + 4096, ClusterSize: 16384, ExtendedL2: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(storagetest.Mem)
			if err := Create(m, o); err != nil {
				t.Fatal(err)
			}
			i, err := Open(m, OpenOptions{CacheBytes: 1})
			if err != nil {
				t.Fatal(err)
			}
			disk := workAll(t, i)
			if n := tablesInMemory(i); n > minCachedTables {
				t.Errorf("%d L2 tables in memory", n)
			}
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			qcow2test.MustBeSound(t, m, true)
			got := make([]byte, i.size)
			if err := i.ReadAt(got, 0); err != nil || !bytes.Equal(got, disk) {
				t.Errorf("the disk is not what was written (%v)", err)
			}
		})
	}
}

func tablesInMemory(i *Image) (n int) {
	for k := range i.l1 {
		if i.l1[k].table.Load() != nil {
			n++
		}
	}
	return n
}

const workers = 4

// workAll runs everything at once and returns what the disk should hold.
func workAll(t *testing.T, i *Image) []byte {
	disk := make([]byte, i.size)
	part := i.size / workers
	var writers, watchers sync.WaitGroup
	var done atomic.Bool
	for w := range uint64(workers) {
		own := disk[w*part : (w+1)*part]
		writers.Go(func() { fail(t, work(i, own, w*part, w)) })
	}
	for w := range uint64(2) {
		watchers.Go(func() { fail(t, watch(i, &done, w)) })
	}
	watchers.Go(func() {
		for !done.Load() {
			fail(t, i.Sync())
			time.Sleep(time.Millisecond)
		}
	})
	writers.Wait()
	done.Store(true)
	watchers.Wait()
	return disk
}

func fail(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// work changes its own part of the disk, at byte base, and reads it back.
func work(i *Image, own []byte, base, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	got := make([]byte, len(own))
	for range 80 {
		off := rng.Uint64N(uint64(len(own)))
		n := min(1+rng.Uint64N(8192), uint64(len(own))-off)
		var err error
		switch rng.IntN(4) {
		case 0:
			err = i.MakeZero(base+off, n)
			clear(own[off : off+n])
		case 1:
			err = i.Ensure(base+off, n, 0)
		default:
			p := qcow2test.Pattern(rng.Uint64(), n)
			err = i.WriteAt(p, base+off)
			copy(own[off:], p)
		}
		if err == nil {
			err = i.ReadAt(got[:n], base+off)
		}
		if err != nil {
			return err
		}
		if !bytes.Equal(got[:n], own[off:off+n]) {
			return fmt.Errorf("%d bytes at %d read back wrong", n, base+off)
		}
	}
	return nil
}

// watch looks everything up all the time. Data must lie in the file, on
// clusters that are no metadata.
func watch(i *Image, done *atomic.Bool, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 2))
	for !done.Load() {
		runtime.Gosched()
		off := rng.Uint64N(i.size)
		switch x := i.Lookup(off, 64<<10); x.Kind {
		case Miss:
			if err := i.Resolve(off, 1); err != nil {
				return err
			}
		case Data, Shared:
			if x.Host == 0 || x.Host+1 > i.file.length.Load() || i.regions.at(x.Host) != format.KindData {
				return fmt.Errorf("lookup of %d gives host byte %d", off, x.Host)
			}
		case Outside, Corrupt, Compressed:
			return fmt.Errorf("lookup of %d gives %v", off, x.Kind)
		}
	}
	return nil
}

// slowFile takes its time to flush, as a disk does.
type slowFile struct {
	*storagetest.Mem
	flushes atomic.Int32
}

func (f *slowFile) Datasync() error {
	f.flushes.Add(1)
	time.Sleep(20 * time.Millisecond)
	return nil
}

// Space taken at the same time shares its flushes, whether the L2 tables exist
// or not, and doesn't end up in the same place.
func TestEnsuresShareFlushes(t *testing.T) {
	f := &slowFile{Mem: new(storagetest.Mem)}
	i := create(t, f, CreateOptions{Size: 64 << 20, ClusterSize: 4096})
	for round := range 2 {
		f.flushes.Store(0)
		var all sync.WaitGroup
		const callers = 16
		for c := range uint64(callers) {
			off := c<<20 + uint64(round)<<19
			all.Go(func() { fail(t, i.WriteAt(qcow2test.Pattern(off, 64<<10), off)) })
		}
		all.Wait()
		if n := f.flushes.Load(); n >= callers {
			t.Errorf("%d flushes for %d callers", n, callers)
		}
		for c := range uint64(callers) {
			off := c<<20 + uint64(round)<<19
			got := make([]byte, 64<<10)
			if err := i.ReadAt(got, off); err != nil || !bytes.Equal(got, qcow2test.Pattern(off, 64<<10)) {
				t.Errorf("what was written at %d reads back wrong (%v)", off, err)
			}
		}
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	qcow2test.MustBeSound(t, f, true)
}

// Two callers that want the same space get it once.
func TestEnsureTheSameTwice(t *testing.T) {
	f := &slowFile{Mem: new(storagetest.Mem)}
	i := create(t, f, CreateOptions{Size: 64 << 20, ClusterSize: 4096})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { fail(t, i.Ensure(1<<20, 8<<20, 1<<20)) })
		all.Go(func() { fail(t, i.Ensure(2<<20, 1<<20, 0)) })
	}
	all.Wait()
	if x := i.Lookup(1<<20, 8<<20); x.Kind != Data {
		t.Errorf("looked up as %+v", x)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	qcow2test.MustBeSound(t, f, true)
}

// What Lookup gave as Data stays in place while the map changes around it.
func TestDataStaysInPlace(t *testing.T) {
	m := new(storagetest.Mem)
	i := create(t, m, CreateOptions{Size: 1 << 20, ClusterSize: 4096})
	if err := i.Ensure(0, 64<<10, 0); err != nil {
		t.Fatal(err)
	}
	before := i.Lookup(0, 64<<10)
	if before.Kind != Data || before.Len != 64<<10 {
		t.Fatalf("a fresh range of 64 KiB is %+v, not one run", before)
	}
	for _, step := range []func() error{
		func() error { return i.MakeZero(0, 64<<10) },
		func() error { return i.Ensure(0, 1<<20, 0) },
		func() error { return i.MakeZero(100, 5000) },
		i.Sync,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if after := i.Lookup(0, 64<<10); after != before {
			t.Fatalf("moved from %+v to %+v", before, after)
		}
	}
}

func TestClosedImageRefusesWrites(t *testing.T) {
	i := create(t, new(storagetest.Mem), CreateOptions{Size: 1 << 20})
	for range 2 {
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, err := range map[string]error{
		"ensure": i.Ensure(0, 1, 0), "write": i.WriteAt([]byte{1}, 0), "zero": i.MakeZero(0, 1),
		"sync": i.Sync(), "slots": i.WriteZoneSlots(nil),
	} {
		if !errors.Is(err, errClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if err := i.ReadAt(make([]byte, 512), 0); err != nil {
		t.Errorf("read after Close: %v", err)
	}
}
