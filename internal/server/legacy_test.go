// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
)

// thinWorld is a world whose storage has run full under a daemon that was killed:
// what it has flushed is on the disk, what it has answered after that is not, and
// nobody has been told yet. Both are 64 KiB in zone 1.
func thinWorld(t *testing.T, recovery Recovery) (*world, *storagetest.Thin) {
	t.Helper()
	h := storagetest.NewThin(t)
	w := newWorld(t)
	b, err := os.ReadFile(w.image)
	if err != nil {
		t.Fatal(err)
	}
	w.image = filepath.Join(h.Dir, "disk.qcow2")
	if err := os.WriteFile(w.image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d := w.daemon(recovery)
	d.cfg.Cache = engine.CacheWriteback
	if err := d.bringUp(); err != nil {
		t.Fatal(err)
	}
	must(t, "write", w.write(d, testZone, pattern(1, 64<<10)))
	if err := d.disk.File().Datasync(); err != nil {
		t.Fatal(err)
	}
	must(t, "flush", w.flush(d))
	h.Fill(0)
	must(t, "write", w.write(d, testZone+64<<10, pattern(2, 64<<10)))
	w.kill(d)
	return w, h
}

// checks runs `zqublkd check`, so to say.
func (w *world) checks() error {
	w.t.Helper()
	left, err := LegacyOf(w.run, w.image)
	if err != nil {
		w.t.Fatal(err)
	}
	f, err := storage.Open(w.image, storage.Options{ReadOnly: true, Compare: left.Compare})
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	_, err = check.Check(f, check.Options{})
	return left.Opened(err)
}

// tries is an add that must fail because the image can't be settled.
func (w *world) tries() error {
	d := w.daemon(RecoveryOff)
	return errors.Join(d.bringUp(), d.takeDown())
}

// TestC07_LostWritesAreNotInherited: what a dead daemon has answered is gone, and
// somebody has been told so, which the kernel does only once: nobody then shows
// zeros, or what was there before, as what was written.
func TestC07_LostWritesAreNotInherited(t *testing.T) {
	for name, told := range map[string]func(w *world, h *storagetest.Thin) error{
		"add":   func(w *world, _ *storagetest.Thin) error { return w.tries() },
		"check": func(w *world, _ *storagetest.Thin) error { return w.checks() },
		"another program, then add": func(w *world, h *storagetest.Thin) error {
			h.SyncFails(w.image)
			h.Room()
			return w.tries()
		},
		"another program, then check": func(w *world, h *storagetest.Thin) error {
			h.SyncFails(w.image)
			h.Room()
			return w.checks()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := thinWorld(t, RecoveryOff)
			if err := told(w, h); !errors.Is(err, storage.ErrUnsettled) {
				t.Errorf("the image is settled: %v", err)
			}
			h.Room()
			h.Reboot() // memory runs short
			d := w.up(RecoveryOff)
			if wp := d.wp(1); wp != 64<<10 {
				t.Errorf("write pointer %d, flushed were %d", wp, 64<<10)
			}
			if got := w.read(d, testZone, 64<<10); string(got) != string(pattern(1, 64<<10)) {
				t.Error("what was flushed is gone")
			}
			w.down(d)
			checkImage(t, w.image)
		})
	}
}

// TestC02_LostWritesAreNotTakenOver: a daemon is killed in a barrier that fails,
// before it could note that.
func TestC02_LostWritesAreNotTakenOver(t *testing.T) {
	w, h := thinWorld(t, RecoveryReissue)
	h.SyncFails(w.image) // the daemon's last call
	h.Room()
	d := w.up(RecoveryReissue)
	if !d.disk.Frozen() || d.disk.Failure() == nil {
		t.Error("the next daemon goes on")
	}
	if errno := w.flush(d); errno == 0 {
		t.Error("a flush of what is lost succeeds")
	}
	if err := d.takeDown(); err != nil {
		t.Log(err)
	}
}

// TestC02_BarrierIsNoted: the state file tells that a barrier is under way, for as
// long as it is.
func TestC02_BarrierIsNoted(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	marks := func() statefile.Marks {
		t.Helper()
		m, err := statefile.ReadMarks(d.record.statePath())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	must(t, "flush", w.flush(d))
	if m := marks(); m != (statefile.Marks{}) {
		t.Errorf("after a flush: %+v", m)
	}
	d.state.BeginBarrier()
	w.kill(d)
	if m := marks(); !m.Barrier || engine.Comparing(m) != storage.CompareAlways {
		t.Errorf("killed in a barrier: %+v", m)
	}
	d = w.up(RecoveryReissue)
	if m := marks(); m != (statefile.Marks{}) {
		t.Errorf("taken over, of a disk that has everything: %+v", m)
	}
	must(t, "write", w.write(d, testZone+8192, pattern(1, 8192)))
	w.down(d)
	checkImage(t, w.image)
}
