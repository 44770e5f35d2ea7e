// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/storage"
)

func TestUnserved(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "disk.qcow2")
	run := filepath.Join(dir, "run")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		served string
		alive  bool
		how    Recovery
		refuse bool
	}{
		{"alive", image, true, RecoveryOff, true},
		{"dead", image, false, RecoveryOff, false},
		{"waiting for a daemon", image, false, RecoveryReissue, true},
		{"another image", image + "x", true, RecoveryReissue, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			claim, err := lockDevice(run, 7)
			if err != nil {
				t.Fatal(err)
			}
			if err := claim.write(Record{Options: Options{Image: c.served, Recovery: c.how}, ID: 7, Node: "/dev/ublkb7"}); err != nil {
				t.Fatal(err)
			}
			if !c.alive {
				claim.lock.Close()
			}
			if err := Unserved(run, image); errors.Is(err, storage.ErrInUse) != c.refuse || (err != nil) != c.refuse {
				t.Error(err)
			}
			claim.remove()
		})
	}
}

// TestC13_Unserved: an image that is served, or that waits for its next daemon, is
// known by whatever path; another at the same path is not taken for it.
func TestC13_Unserved(t *testing.T) {
	for name, c := range map[string]struct {
		recovery Recovery
		killed   bool
	}{
		"served":             {RecoveryOff, false},
		"waits for takeover": {RecoveryReissue, true},
		"waits for add":      {RecoveryOff, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dir := t.TempDir()
			link, soft, moved := filepath.Join(dir, "hard"), filepath.Join(dir, "soft"), filepath.Join(dir, "moved")
			if err := errors.Join(os.Link(w.image, link), os.Symlink(w.image, soft)); err != nil {
				t.Fatal(err)
			}
			if err := Unserved(w.run, w.image); err != nil {
				t.Errorf("before: %v", err)
			}
			d := w.up(c.recovery)
			must(t, "write", w.write(d, testZone, pattern(1, 8192)))
			if c.killed {
				w.kill(d)
			}
			for _, path := range []string{w.image, link, soft} {
				if err := Unserved(w.run, path); !errors.Is(err, storage.ErrInUse) {
					t.Errorf("%s: %v", path, err)
				}
			}
			if err := os.Rename(w.image, moved); err != nil {
				t.Fatal(err)
			}
			if err := Unserved(w.run, w.image); err != nil {
				t.Errorf("no image: %v", err)
			}
			if err := os.WriteFile(w.image, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Unserved(w.run, w.image); err != nil {
				t.Errorf("another image: %v", err)
			}
			if err := Unserved(w.run, moved); !errors.Is(err, storage.ErrInUse) {
				t.Errorf("moved: %v", err)
			}
			if err := os.Rename(moved, w.image); err != nil {
				t.Fatal(err)
			}
			if c.killed {
				d = w.up(c.recovery)
			}
			w.down(d)
			if err := Unserved(w.run, w.image); err != nil {
				t.Errorf("after an orderly end: %v", err)
			}
		})
	}
}
