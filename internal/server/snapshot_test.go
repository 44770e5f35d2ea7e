// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// snapshots is a world whose image is a golden one, with data in zone 1.
type snapshots struct {
	*world
	dir    string
	base   []byte // what zone 1 begins with
	golden []byte // the image
	made   int
}

func newSnapshots(t *testing.T) *snapshots {
	s := &snapshots{world: newWorld(t), dir: t.TempDir(), base: pattern(1, 20<<10)}
	d := s.up(RecoveryOff)
	must(t, "write", s.write(d, testZone, s.base))
	s.down(d)
	var err error
	if s.golden, err = os.ReadFile(s.image); err != nil {
		t.Fatal(err)
	}
	return s
}

// snapshot is the daemon of a new overlay, which has not begun.
func (s *snapshots) snapshot(r Recovery) *Device {
	s.t.Helper()
	s.made++
	path := filepath.Join(s.dir, fmt.Sprint("overlay", s.made))
	b, err := imagefile.OpenBacking(s.image, "qcow2", path)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := storage.Create(path, false)
	if err == nil {
		err = errors.Join(qcow2.Create(f, qcow2.CreateOptions{Backing: &b.BackingOptions}), f.Close(), b.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	d := s.daemon(r)
	d.cfg.Image, d.cfg.SnapshotOf = path, s.image
	return d
}

// upOver is a daemon that serves a new overlay.
func (s *snapshots) upOver(r Recovery) *Device {
	s.t.Helper()
	d := s.snapshot(r)
	if err := d.bringUp(); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// mustLeave: so many overlays have a name, and the golden image is what it was.
func (s *snapshots) mustLeave(overlays int) {
	s.t.Helper()
	names, err := os.ReadDir(s.dir)
	if err != nil || len(names) != overlays {
		s.t.Errorf("overlays with a name: %v, %v, want %d", names, err, overlays)
	}
	now, err := os.ReadFile(s.image)
	if err != nil || !bytes.Equal(now, s.golden) {
		s.t.Errorf("the golden image has changed (%v)", err)
	}
}

// TestSnapshots: several devices over one image at once, each with its own data;
// none has a file that has a name, and nothing is left of them.
func TestSnapshots(t *testing.T) {
	s := newSnapshots(t)
	var list []*Device
	for k := range 3 {
		d := s.upOver(RecoveryOff)
		must(t, "write", s.write(d, testZone+20<<10, pattern(uint64(10+k), 8192)))
		must(t, "write", s.write(d, 512*8, pattern(uint64(10+k), 4096)))
		list = append(list, d)
	}
	s.mustLeave(0)
	for k, d := range list {
		want := append(bytes.Clone(s.base), pattern(uint64(10+k), 8192)...)
		if !bytes.Equal(s.read(d, testZone, 28<<10), want) || !bytes.Equal(s.read(d, 512*8, 4096), pattern(uint64(10+k), 4096)) {
			t.Errorf("snapshot %d reads something else", k)
		}
	}
	if _, err := storage.Open(s.image, storage.Options{}); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("the golden image can be written to: %v", err)
	}
	for _, d := range list {
		s.down(d)
	}
	s.mustLeave(0)
	if left := s.folders(); len(left) != 0 {
		t.Errorf("folders %v", left)
	}
}

// TestSnapshotOutlivesItsDaemon: with recovery the next daemon goes on with what was
// written, whoever starts it; the overlay goes with the device.
func TestSnapshotOutlivesItsDaemon(t *testing.T) {
	s := newSnapshots(t)
	d := s.upOver(RecoveryReissue)
	more := pattern(7, 8192)
	must(t, "write", s.write(d, testZone+20<<10, more))
	s.kill(d)
	s.mustLeave(1)
	next := s.daemon(RecoveryOff)
	next.cfg.Image = d.cfg.Image // as recover names it
	if err := next.bringUp(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.read(next, testZone, 28<<10), append(bytes.Clone(s.base), more...)) {
		t.Error("something else is read")
	}
	s.mustLeave(1)
	s.down(next)
	s.mustLeave(0)
}

// TestSnapshotOfADeadDaemon: del of a device whose daemon is dead deletes its overlay,
// and not what has its name by then; the next snapshot of the image clears away what
// needs no name.
func TestSnapshotOfADeadDaemon(t *testing.T) {
	s := newSnapshots(t)
	open := func() (driver, error) { return s.driver, nil }
	for _, replaced := range []bool{false, true} {
		d := s.upOver(RecoveryReissue)
		s.kill(d)
		if replaced {
			if err := errors.Join(os.Remove(d.cfg.Image), os.WriteFile(d.cfg.Image, []byte("precious"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := deleteOrphan(open, s.run, d.info.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(d.cfg.Image); (err == nil) != replaced {
			t.Errorf("replaced: %v, the file: %v", replaced, err)
		}
		os.Remove(d.cfg.Image)
	}
	s.kill(s.upOver(RecoveryOff))
	d := s.upOver(RecoveryOff)
	if left := s.folders(); len(left) != 1 {
		t.Errorf("folders %v, a dead snapshot's is left", left)
	}
	s.down(d)
	s.mustLeave(0)
}
