// SPDX-License-Identifier: Apache-2.0

package server

import (
	"slices"
	"testing"
)

func (w *world) giveUp(users ...string) []string {
	w.t.Helper()
	held, err := giveUp(func() (driver, error) { return w.driver, nil }, func(uint32) []string { return users }, w.run, 0, "it died 3 times")
	if err != nil {
		w.t.Fatal(err)
	}
	return held
}

// TestGiveUpInUse: a device in use waits for a person, the list knows why, and the
// next daemon goes on as if nothing had been.
func TestGiveUpInUse(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	data := pattern(1, 8192)
	must(t, "write", w.write(d, testZone, data))
	w.kill(d)
	if users := w.giveUp("mounted at /mnt"); !slices.Equal(users, []string{"mounted at /mnt"}) {
		t.Errorf("users %v", users)
	}
	r, err := ReadRecord(w.run, 0)
	if err != nil || r.Alive || r.GivenUp != "it died 3 times" || !w.driver.Knows(0) {
		t.Fatalf("record %+v, %v; the driver has it: %v", r, err, w.driver.Knows(0))
	}
	d = w.up(RecoveryReissue)
	if got := w.read(d, testZone, 8192); !slices.Equal(got, data) || d.info.ID != 0 {
		t.Errorf("device %d; what was acknowledged is gone", d.info.ID)
	}
	if r, err := ReadRecord(w.run, 0); err != nil || r.GivenUp != "" {
		t.Errorf("served again, its record is %+v, %v", r, err)
	}
	w.down(d)
}

// TestGiveUpUnused: a device that nobody uses is stopped. What it has acknowledged
// waits for the next daemon of the image.
func TestGiveUpUnused(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	data := pattern(1, 8192)
	must(t, "write", w.write(d, testZone, data))
	w.kill(d)
	if users := w.giveUp(); len(users) > 0 || w.driver.Knows(0) {
		t.Errorf("users %v, the driver has it: %v", users, w.driver.Knows(0))
	}
	if r, err := ReadRecord(w.run, 0); err != nil || r.GivenUp == "" {
		t.Errorf("its record: %+v, %v", r, err)
	}
	d = w.up(RecoveryReissue)
	if got := w.read(d, testZone, 8192); !slices.Equal(got, data) {
		t.Error("what was acknowledged is gone")
	}
	w.down(d)
	if len(w.folders()) > 0 {
		t.Errorf("folders %v", w.folders())
	}
}

// TestGiveUpReadOnly: of a device that nobody uses and that has nothing to keep,
// nothing stays.
func TestGiveUpReadOnly(t *testing.T) {
	w := newWorld(t)
	d := w.daemon(RecoveryReissue)
	d.cfg.ReadOnly = true
	if err := d.bringUp(); err != nil {
		t.Fatal(err)
	}
	w.kill(d)
	if w.giveUp(); w.driver.Knows(0) || len(w.folders()) > 0 {
		t.Errorf("the driver has it: %v, folders %v", w.driver.Knows(0), w.folders())
	}
}

// Without recovery the disk has gone with its daemon: there is nothing to wait for.
func TestGiveUpWithoutRecovery(t *testing.T) {
	w := newWorld(t)
	w.kill(w.up(RecoveryOff))
	if users := w.giveUp("mounted at /mnt"); len(users) > 0 || w.driver.Knows(0) {
		t.Errorf("users %v, the driver has it: %v", users, w.driver.Knows(0))
	}
}
