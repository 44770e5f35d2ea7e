// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"path/filepath"
	"testing"
	"zqublkd/internal/statefile"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// TestC07_DataBeforeSlots: the data that write pointers of a state file cover is
// durable before they are, whenever the power goes.
func TestC07_DataBeforeSlots(t *testing.T) {
	mem := storagetest.NewMem(nil)
	if err := qcow2.Create(mem, small()); err != nil {
		t.Fatal(err)
	}
	rec := storagetest.NewRecorder(mem)
	path := filepath.Join(t.TempDir(), "state")
	open := func() *Disk {
		d, err := openDiskIn(rec, DiskOptions{Log: silent()})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	shape := statefile.Shape{Geometry: d.geo, Queues: 1, Tag: 4}
	state, err := statefile.Create(path, shape)
	if err != nil {
		t.Fatal(err)
	}
	s := simDiskWith(t, d, 1, 4, state)
	data := pattern(1, 64<<10)
	must(t, "write", s.write(testZone, data))
	d.frozen.Store(true)
	s.close()
	killed := rec.Len()
	if state, err = statefile.Take(path, shape); err != nil {
		t.Fatal(err)
	}
	d = open()
	if err := d.Inherit(state); err != nil {
		t.Fatal(err)
	}
	moved := 0
	for n := killed; n <= rec.Len(); n++ {
		for _, keep := range append(rec.Pending(n), -1) {
			next := newSimIn(t, rec.Crash(n, func(op, _ int) bool { return op == keep }), 1, 4)
			wp := next.disk.zones.State(1).WP - testZone
			got, _ := next.read(testZone, len(data))
			if wp > 0 {
				moved++
				if wp != 64<<10 || !bytes.Equal(got, data) {
					t.Errorf("power cut after operation %d, only %d kept: write pointer %d without its data", n, keep, wp)
				}
			}
			next.close()
		}
	}
	if moved == 0 {
		t.Error("the write pointer never moved")
	}
}

// TestC07_KilledInReset: a daemon that was killed inside a reset leaves the zone as
// it was or empty, as its slot says, and never data of zeros below a write pointer:
// for one that takes over as for one that starts.
func TestC07_KilledInReset(t *testing.T) {
	for name, emptied := range map[string]bool{"slot emptied": true, "slot as it was": false} {
		t.Run(name, func(t *testing.T) {
			d := newDeath(t)
			data := pattern(1, 64<<10)
			must(t, "write", d.write(testZone, data))
			must(t, "flush", d.flush())
			d.disk.state.BeginReset(1)
			if emptied {
				if err := d.disk.img.WriteZoneSlots([]format.ZoneSlot{{Zone: 1, WP: testZone}}); err != nil {
					t.Fatal(err)
				}
			}
			d.die()
			d.revive()
			z := d.disk.zones.State(1)
			got, _ := d.read(testZone, len(data))
			want := zoned.State{WP: testZone + 64<<10, Condition: zoned.ImplicitOpen}
			if emptied {
				want, data = zoned.State{WP: testZone, Condition: zoned.Empty}, make([]byte, len(data))
			}
			if z != want || !bytes.Equal(got, data) {
				t.Errorf("zone %+v, want %+v; data as it should be: %v", z, want, bytes.Equal(got, data))
			}
			if emptied {
				if n := d.disk.img.Lookup(testZone, 64<<10); n.Kind == qcow2.Data {
					if stale, err := d.disk.holdsData(n); err != nil || stale {
						t.Errorf("the old data is still there: %v", err)
					}
				}
			}
			d.sim.close()
			checkImage(t, d.image)
		})
	}
}
