// SPDX-License-Identifier: Apache-2.0

package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zqublkd/internal/statefile"
	"zqublkd/ublk"
)

// wp is the write pointer of a zone, in bytes from its start.
func (d *Device) wp(zone uint32) uint64 {
	return d.disk.Rules().State(zone).WP - d.disk.Geometry().Start(zone)
}

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
		between func(w *world, s *statefile.File, image string)
		zone    uint32
		wp      uint64
	}{
		"another boot":     {func(w *world, _ *statefile.File, _ string) { putState(w, 95, func(b byte) byte { return b + 1 }) }, 1, 0},
		"failed image":     {func(_ *world, s *statefile.File, _ string) { s.SetFrozen() }, 1, 0},
		"used already":     {func(_ *world, s *statefile.File, _ string) { s.Spend() }, 1, 0},
		"never filled":     {func(w *world, _ *statefile.File, _ string) { putState(w, 4080, func(byte) byte { return 0 }) }, 1, 0},
		"served elsewhere": {func(w *world, _ *statefile.File, image string) { servedElsewhere(w.t, image, data) }, 3, 64 << 10},
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
			s, err := statefile.Take(filepath.Join(devicePath(w.run, 0), stateName), shape)
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

// putState changes a byte of the state file of device 0: the last one of the boot
// id is byte 95, byte 4080 says that the state is whole.
func putState(w *world, at int64, change func(byte) byte) {
	f, err := os.OpenFile(filepath.Join(devicePath(w.run, 0), stateName), os.O_RDWR, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] = change(b[0])
	if _, writeErr := f.WriteAt(b[:], at); err != nil || writeErr != nil {
		w.t.Fatal(err, writeErr)
	}
}

// servedElsewhere writes zone 3 under a run directory of its own.
func servedElsewhere(t *testing.T, image string, data []byte) {
	w := newWorld(t)
	w.image = image
	d := w.up(RecoveryOff)
	must(t, "write", w.write(d, 3*testZone, data))
	w.down(d)
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
