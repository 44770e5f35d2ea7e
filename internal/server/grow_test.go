// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/qcow2test"
	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
)

// newPlainWorld is a world of a plain image, and of a kernel that can make disks larger.
func newPlainWorld(t *testing.T, features ublk.Features) *world {
	w := newWorld(t)
	w.driver = ublktest.NewControl(features | ublk.FeatureUserCopy | ublk.FeatureRecovery | ublk.FeatureRecoveryReissue)
	w.image = newImage(t, qcow2.CreateOptions{Size: 8 << 20})
	return w
}

// leave lets a daemon that was asked to resize do so, and end.
func (w *world) leave(d *Device) error {
	w.t.Helper()
	err := d.handOver()
	if !errors.Is(err, ErrHandOver) {
		w.t.Fatal(err)
	}
	w.kill(d)
	return err
}

// TestResizeServed: the old daemon makes the image larger, the new one tells the driver; what was
// written stays, and what is behind the old end reads as zeros and can be written.
func TestResizeServed(t *testing.T) {
	w := newPlainWorld(t, ublk.FeatureUpdateSize)
	d := w.up(RecoveryReissue)
	data := pattern(1, 8192)
	must(t, "write", w.write(d, 8<<20-8192, data))
	if _, err := ask(w.run, d.info.ID, command{Verb: "resize", State: statefile.Version, Size: 20<<20 + 512}); err != nil {
		t.Fatal(err)
	}
	<-d.leaving
	w.leave(d)
	d = w.up(RecoveryReissue)
	if got := w.driver.Sectors(d.info.ID); got != 40<<10+1 {
		t.Errorf("the driver has %d sectors", got)
	}
	if calls := w.driver.Calls(); slices.Index(calls, "UPDATE_SIZE 0") < slices.Index(calls, "END_USER_RECOVERY 0") {
		t.Errorf("calls: %q", calls)
	}
	if !bytes.Equal(w.read(d, 8<<20-8192, 8192), data) || !bytes.Equal(w.read(d, 8<<20, 8192), make([]byte, 8192)) {
		t.Error("it reads otherwise")
	}
	must(t, "write behind the old end", w.write(d, 20<<20-8192, data))
	must(t, "flush", w.flush(d))
	// Another death: the state file is that of the larger disk.
	w.kill(d)
	d = w.up(RecoveryReissue)
	if !bytes.Equal(w.read(d, 20<<20-8192, 8192), data) {
		t.Error("what was written is gone")
	}
	w.down(d)
	w.sound(20<<20 + 512)
}

// sound sees that the image has no error, and a size.
func (w *world) sound(size uint64) {
	w.t.Helper()
	f, err := storage.Open(w.image, storage.Options{ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
	if err != nil || i.VirtualSize() != size {
		w.t.Errorf("%v, a disk of %d bytes, want %d", err, i.VirtualSize(), size)
	}
	qcow2test.MustBeSound(w.t, f, true)
}

// TestResizeServedKilled: a daemon that dies once the image is larger, before anybody was told,
// leaves it to the next one; so does one for which there is no room, with the old size.
func TestResizeServedKilled(t *testing.T) {
	w := newPlainWorld(t, ublk.FeatureUpdateSize)
	d := w.up(RecoveryReissue)
	must(t, "write", w.write(d, 0, pattern(1, 8192)))
	d.growTo = 12 << 20
	w.fail("UPDATE_SIZE", unix.EIO)
	w.leave(d)
	d = w.up(RecoveryReissue) // which could not tell the driver either
	if got := w.driver.Sectors(d.info.ID); got != 16<<10 {
		t.Errorf("the driver has %d sectors", got)
	}
	must(t, "write", w.write(d, 0, pattern(2, 8192)))
	w.kill(d)
	w.driver.Before(nil)
	d = w.up(RecoveryReissue)
	if got := w.driver.Sectors(d.info.ID); got != 24<<10 {
		t.Errorf("the driver has %d sectors", got)
	}
	if err := d.grow(false); !errors.Is(err, ErrResize) {
		t.Errorf("with requests in flight: %v", err)
	}
	w.down(d)
	w.sound(12 << 20)
}

// TestResizeServedRefused: each reason has its words and the way out.
func TestResizeServedRefused(t *testing.T) {
	sized := func(n uint64) command { return command{Verb: "resize", State: statefile.Version, Size: n} }
	for name, c := range map[string]struct {
		has   ublk.Features
		cmd   command
		setup func(d *Device)
		want  string
	}{
		"old kernel":      {0, sized(16 << 20), func(*Device) {}, "no UPDATE_SIZE, which Linux 6.16"},
		"smaller":         {ublk.FeatureUpdateSize, sized(4 << 20), func(*Device) {}, "may only become larger"},
		"odd":             {ublk.FeatureUpdateSize, sized(8<<20 + 1), func(*Device) {}, "multiple of 512"},
		"read-only":       {ublk.FeatureUpdateSize, sized(16 << 20), func(d *Device) { d.cfg.ReadOnly = true }, "read-only"},
		"no recovery":     {ublk.FeatureUpdateSize, sized(16 << 20), func(d *Device) { d.cfg.Recovery = RecoveryOff }, "it can't be taken over"},
		"another version": {ublk.FeatureUpdateSize, command{Verb: "resize", Size: 16 << 20}, func(*Device) {}, "reads version 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPlainWorld(t, c.has)
			d := w.up(RecoveryReissue)
			c.setup(d)
			_, err := ask(w.run, d.info.ID, c.cmd)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			select {
			case <-d.leaving:
				t.Error("it leaves all the same")
			default:
			}
			w.down(d)
			w.sound(8 << 20)
		})
	}
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	if err := d.mayResize(sized(16 << 20)); !errors.Is(err, ErrResize) || !strings.Contains(err.Error(), "zones") {
		t.Errorf("zoned: %v", err)
	}
	w.down(d)
}
