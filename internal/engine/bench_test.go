// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestBench: what a bench writes is there, where the rules put it.
func TestBench(t *testing.T) {
	for _, c := range []struct {
		name  string
		bench Bench
		wp    uint64 // of the first sequential zone, bytes from its start
		err   error
	}{
		{"writes", Bench{Op: ublk.OpWrite, Block: 4096, Depth: 8, Count: 100}, 100 * 4096, nil},
		{"appends", Bench{Op: ublk.OpZoneAppend, Block: 16384, Depth: 32, Count: 100}, 100 * 16384, nil},
		{"appends into the second zone", Bench{Op: ublk.OpZoneAppend, Block: 65536, Depth: 32, Count: 130}, 8 << 20, nil},
		{"reads", Bench{Op: ublk.OpRead, Block: 4096, Depth: 8, Count: 1000, Random: true}, 0, nil},
		{"reads by two queues", Bench{Op: ublk.OpRead, Block: 4096, Queues: 2, Depth: 8, Count: 1001, Random: true}, 0, nil},
		{"two queues, a zone each", Bench{Op: ublk.OpZoneAppend, Block: 65536, Queues: 2, Depth: 32, Count: 130}, 65 * 65536, nil},
		{"page cache", Bench{Op: ublk.OpWrite, Block: 4096, Depth: 8, Count: 100, Cache: CacheWriteback}, 100 * 4096, nil},
		{"more than two queues have", Bench{Op: ublk.OpWrite, Block: 1 << 20, Queues: 2, Depth: 1, Count: 49}, 0, ErrBench},
		{"more than there is", Bench{Op: ublk.OpWrite, Block: 1 << 20, Depth: 1, Count: 1000}, 0, ErrBench},
		{"random writes", Bench{Op: ublk.OpWrite, Block: 4096, Depth: 1, Count: 1, Random: true}, 0, ErrBench},
		{"odd block", Bench{Op: ublk.OpRead, Block: 1000, Depth: 1, Count: 1}, 0, ErrBench},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newImage(t, qcow2.CreateOptions{Size: 64 << 20, Zone: &qcow2.ZoneOptions{Size: 8 << 20, Conventional: 1}})
			d := c.bench
			d.Image, d.Log = path, silent()
			if d.Cache == "" {
				d.Cache = CacheNone
			}
			r, err := d.Run()
			if !errors.Is(err, c.err) || err == nil && (r.Requests != d.Count || r.Time <= 0 || r.Enters == 0 && d.Op != ublk.OpRead) {
				t.Fatalf("%+v, %v", r, err)
			}
			s := newSim(t, path, 1, 1)
			if wp := s.disk.zones.State(1).WP; wp != 8<<20+c.wp {
				t.Errorf("write pointer %d, want %d", wp-8<<20, c.wp)
			}
			s.close()
			checkImage(t, path)
		})
	}
}

// BenchmarkEngine is the engine with its file I/O, for profiles.
func BenchmarkEngine(b *testing.B) {
	path := newImage(b, qcow2.CreateOptions{Size: 64 << 20, Zone: &qcow2.ZoneOptions{Size: 32 << 20}})
	fill := Bench{Image: path, Op: ublk.OpWrite, Block: 1 << 20, Depth: 4, Count: 64, Cache: CacheNone, Log: silent()}
	if _, err := fill.Run(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	read := Bench{Image: path, Op: ublk.OpRead, Block: 4096, Depth: 32, Count: uint64(b.N), Random: true, Cache: CacheNone, Log: silent()}
	if _, err := read.Run(); err != nil {
		b.Fatal(err)
	}
}

// TestC27_FailedBenchWaits: the requests under way when one fails have their
// buffers until they end, and the error has the reason.
func TestC27_FailedBenchWaits(t *testing.T) {
	path := newImage(t, qcow2.CreateOptions{Size: 64 << 20})
	d, err := OpenDisk(path, DiskOptions{Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	const depth, block = 64, 1 << 20
	if err := d.Start(depth, nil); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, err := newBenchLane(d, 0, depth, block)
	if err != nil {
		t.Fatal(err)
	}
	failed := l.serve(1000, func(n uint64) ublk.IODesc {
		if n == depth/2 {
			n = 1000 // beyond the end of the disk
		}
		return ublk.NewIODesc(ublk.OpWrite, 0, n*block/ublk.SectorBytes, block/ublk.SectorBytes)
	})
	if busy := depth - len(l.free); failed == nil || busy > 0 {
		t.Errorf("%v, %d requests still have their buffers", failed, busy)
	}
	if failed != nil && !strings.Contains(failed.Error(), "WRITE") {
		t.Errorf("the error does not name the request: %v", failed)
	}
	if err := errors.Join(l.closeRing(), d.Close(), l.close()); err != nil {
		t.Error(err)
	}
}
