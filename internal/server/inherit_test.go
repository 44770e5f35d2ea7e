package server

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// wp is the write pointer of a zone, in bytes from its start.
func (d *Device) wp(zone uint32) uint64 { return d.disk.zones.State(zone).WP - d.disk.geo.Start(zone) }

// TestC07_KilledWithoutRecovery: a SIGKILL loses nothing that was acknowledged,
// with recovery off as well: the next daemon of the image takes the write pointers
// from the state file. So it does when the driver has lost a device that was to be
// taken over, and when the image goes by another path.
func TestC07_KilledWithoutRecovery(t *testing.T) {
	for name, c := range map[string]struct {
		recovery Recovery
		between  func(w *world)
	}{
		"recovery off": {RecoveryOff, func(*world) {}},
		"device gone":  {RecoveryReissue, func(w *world) { w.driver.DeleteDeviceAsync(0) }},
		"another path": {RecoveryOff, func(w *world) {
			link := filepath.Join(w.t.TempDir(), "link.qcow2")
			if err := os.Link(w.image, link); err != nil {
				w.t.Fatal(err)
			}
			w.image = link
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.up(c.recovery)
			data := pattern(1, 64<<10)
			must(t, "write", w.write(d, testZone, data))
			must(t, "flush", w.driver.Requests(0).Do(0, ublk.NewIODesc(ublk.OpFlush, 0, 0, 0), nil).Errno())
			must(t, "write", w.write(d, testZone+64<<10, data))
			must(t, "write", w.write(d, 2*testZone, data))
			w.kill(d)
			c.between(w)
			d = w.up(c.recovery)
			if d.wp(1) != 128<<10 || d.wp(2) != 64<<10 || d.wp(3) != 0 {
				t.Errorf("write pointers %d, %d, %d", d.wp(1), d.wp(2), d.wp(3))
			}
			if !slices.Equal(w.read(d, testZone+64<<10, 64<<10), data) || !slices.Equal(w.read(d, 2*testZone, 64<<10), data) {
				t.Error("acknowledged data is gone")
			}
			must(t, "next write", w.write(d, 2*testZone+64<<10, data))
			if len(w.folders()) != 1 {
				t.Errorf("folders %v", w.folders())
			}
			w.down(d)
			checkImage(t, w.image)
		})
	}
}

// TestC07_NotInherited: a state file is not believed where the image is not what
// the dead daemon left, or its state is not whole.
func TestC07_NotInherited(t *testing.T) {
	data := pattern(1, 64<<10)
	for name, c := range map[string]struct {
		between func(w *world, s *StateFile, image string)
		zone    uint32
		wp      uint64
	}{
		"another boot":     {func(_ *world, s *StateFile, _ string) { s.area[len(StateShape{}.header())-1]++ }, 1, 0},
		"failed image":     {func(_ *world, s *StateFile, _ string) { s.SetFrozen() }, 1, 0},
		"used already":     {func(_ *world, s *StateFile, _ string) { s.Spend() }, 1, 0},
		"never filled":     {func(_ *world, s *StateFile, _ string) { s.filled().Store(0) }, 1, 0},
		"served elsewhere": {func(w *world, _ *StateFile, image string) { servedElsewhere(w.t, image, data) }, 3, 64 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.up(RecoveryOff)
			must(t, "write", w.write(d, testZone, data))
			shape, err := d.shape()
			if err != nil {
				t.Fatal(err)
			}
			w.kill(d)
			s, err := TakeState(filepath.Join(deviceDir(w.run, 0), stateName), shape)
			if err != nil {
				t.Fatal(err)
			}
			c.between(w, s, w.image)
			s.Close()
			d = w.up(RecoveryOff)
			if d.wp(1) != 0 || d.wp(c.zone) != c.wp {
				t.Errorf("write pointers %d of zone 1, %d of zone %d", d.wp(1), d.wp(c.zone), c.zone)
			}
			w.down(d)
			checkImage(t, w.image)
		})
	}
}

// servedElsewhere writes zone 3 under a run directory of its own.
func servedElsewhere(t *testing.T, image string, data []byte) {
	s := newSim(t, image, 1, 4)
	must(t, "write", s.write(3*testZone, data))
	s.close()
}

// TestC07_NumberWaits: a device of another image does not take the number, and with
// it the state file, of one whose write pointers wait; not even when the driver has
// forgotten the device.
func TestC07_NumberWaits(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	w.kill(d)
	w.driver.DeleteDeviceAsync(0)
	first := w.image
	w.image = newImage(t, small())
	other := w.up(RecoveryOff)
	if other.info.ID != 1 {
		t.Errorf("number %d", other.info.ID)
	}
	w.down(other)
	w.image = first
	d = w.up(RecoveryOff)
	if d.wp(1) != 8192 {
		t.Errorf("write pointer %d", d.wp(1))
	}
	w.down(d)
}

// TestC07_ReadOnlyWaits: an image whose write pointers wait is not served
// read-only without them, and not forgotten.
func TestC07_ReadOnlyWaits(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	w.kill(d)
	d = w.daemon(RecoveryOff)
	d.cfg.ReadOnly = true
	if err := d.bringUp(); err == nil {
		t.Error("served read-only")
	}
	w.down(d)
	d = w.up(RecoveryOff)
	if d.wp(1) != 8192 {
		t.Errorf("write pointer %d", d.wp(1))
	}
	w.down(d)
}

// TestC07_DataBeforeSlots: the data that write pointers of a state file cover is
// durable before they are, whenever the power goes.
func TestC07_DataBeforeSlots(t *testing.T) {
	mem := storage.NewMem(nil)
	if err := qcow2.Create(mem, small()); err != nil {
		t.Fatal(err)
	}
	rec := storage.NewRecorder(mem)
	path := filepath.Join(t.TempDir(), "state")
	open := func() *Disk {
		d, err := openDiskIn(rec, DiskOptions{Log: silent()})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	shape := StateShape{Geometry: d.geo, Queues: 1, Tag: 4}
	state, err := CreateState(path, shape)
	if err != nil {
		t.Fatal(err)
	}
	s := simDiskWith(t, d, 1, 4, state)
	data := pattern(1, 64<<10)
	must(t, "write", s.write(testZone, data))
	d.frozen.Store(true)
	s.close()
	killed := rec.Len()
	if state, err = TakeState(path, shape); err != nil {
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
				if err := d.disk.img.WriteZoneSlots([]qcow2.ZoneSlot{{Zone: 1, WP: testZone}}); err != nil {
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
