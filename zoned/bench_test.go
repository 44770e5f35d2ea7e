// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"slices"
	"testing"

	"zqublkd/zoned"
)

// TestZoneIsSmall: a terabyte of small zones takes little memory.
func TestZoneIsSmall(t *testing.T) {
	if zoned.ZoneBytes > 48 {
		t.Errorf("a zone takes %d bytes", zoned.ZoneBytes)
	}
}

const benchZone = 1 << 40

// benchDevice has zones that take a trillion writes.
func benchDevice(t testing.TB, lim zoned.Limits) *zoned.Device {
	t.Helper()
	geo := zoned.Geometry{Size: 4 * benchZone, ZoneSize: benchZone, ZoneCapacity: benchZone}
	entries := make([]zoned.Entry, 4)
	for i := range entries {
		entries[i].WP = geo.Start(uint32(i))
	}
	d, err := zoned.New(geo, lim, slices.Values(entries), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// hotPaths are the steps that must cost no memory. Each is called over and
// over on one device.
var hotPaths = []struct {
	name string
	step func(d *zoned.Device, op []zoned.Op)
}{
	{"Write", func(d *zoned.Device, op []zoned.Op) {
		mustGrant(d.BeginWrite(&op[0], op[0].Start+op[0].Length, 1))
		d.EndWrite(&op[0], nil)
	}},
	{"Append", func(d *zoned.Device, op []zoned.Op) {
		mustGrant(d.BeginAppend(&op[0], 0, 1))
		d.EndWrite(&op[0], nil)
	}},
	{"AppendsOutOfOrder", func(d *zoned.Device, op []zoned.Op) {
		for i := range op {
			mustGrant(d.BeginAppend(&op[i], 0, 1))
		}
		for i := range op {
			d.EndWrite(&op[len(op)-1-i], nil)
		}
	}},
	{"Read", func(d *zoned.Device, op []zoned.Op) {
		v, _, err := d.BeginRead(&op[0], benchZone, 4096)
		mustGrant(v, err)
		d.EndRead(&op[0])
	}},
	{"EvictAndOpen", func(d *zoned.Device, op []zoned.Op) {
		for i := range op {
			mustGrant(d.BeginAppend(&op[i], uint64(i)*benchZone, 1))
			d.EndWrite(&op[i], nil)
		}
	}},
	{"ResetAndFinish", func(d *zoned.Device, op []zoned.Op) {
		mustGrant(d.BeginFinish(&op[0], 0))
		d.EndFinish(&op[0], nil)
		mustGrant(d.BeginReset(&op[0], 0))
		d.EndReset(&op[0], nil)
	}},
}

func mustGrant(v zoned.Verdict, err error) {
	if v != zoned.Granted {
		panic(err)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	for _, p := range hotPaths {
		d, op := benchDevice(t, zoned.Limits{MaxOpen: 2, MaxActive: 4}), make([]zoned.Op, 4)
		if n := testing.AllocsPerRun(100, func() { p.step(d, op) }); n != 0 {
			t.Errorf("%s: %v allocations", p.name, n)
		}
	}
}

func BenchmarkRules(b *testing.B) {
	for _, p := range hotPaths {
		b.Run(p.name, func(b *testing.B) {
			d, op := benchDevice(b, zoned.Limits{MaxOpen: 2, MaxActive: 4}), make([]zoned.Op, 4)
			b.ReportAllocs()
			for b.Loop() {
				p.step(d, op)
			}
		})
	}
}

// BenchmarkParallel writes to a zone of its own from each goroutine.
func BenchmarkParallel(b *testing.B) {
	const zones = 64
	geo := zoned.Geometry{Size: zones * benchZone, ZoneSize: benchZone, ZoneCapacity: benchZone}
	entries := make([]zoned.Entry, zones)
	for i := range entries {
		entries[i].WP = geo.Start(uint32(i))
	}
	d, err := zoned.New(geo, zoned.Limits{MaxOpen: zones}, slices.Values(entries), nil)
	if err != nil {
		b.Fatal(err)
	}
	next := make(chan uint64, zones)
	for i := range uint64(zones) {
		next <- i * benchZone
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		off, op := <-next, &zoned.Op{}
		for pb.Next() {
			mustGrant(d.BeginAppend(op, off, 1))
			d.EndWrite(op, nil)
		}
	})
}
