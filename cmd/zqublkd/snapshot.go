// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/server"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// defaultSnapshotDir is where throw-away overlays are: on a disk, since they may
// become as large as their image. QEMU has its own there.
const defaultSnapshotDir = "/var/tmp"

// snapshot is the overlay of an image that add --snapshot serves in its place.
type snapshot struct {
	on  bool
	dir string
	of  string // the image, once there is an overlay
}

func (s *snapshot) check(o *serveOptions) error {
	switch {
	case !s.on && s.dir != defaultSnapshotDir:
		return usageError{errors.New("--snapshot-dir is for --snapshot")}
	case s.on && o.ReadOnly:
		return usageError{errors.New("--snapshot is for writing, and what is served --read-only is not changed: give one of them")}
	}
	return nil
}

// make makes the overlay and returns its path. What a dead daemon knows of the image
// is not in it yet, so that one waits.
func (s *snapshot) make(image, runDir string) (path string, err error) {
	if s.of, err = filepath.Abs(image); err != nil {
		return "", err
	}
	if err := server.Unserved(runDir, s.of); err != nil {
		return "", err
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return "", err
	}
	name := strings.TrimSuffix(filepath.Base(s.of), filepath.Ext(s.of))
	path = filepath.Join(dir, fmt.Sprintf("%.200s-%08x.qcow2", name, rand.Uint32()))
	b, err := imagefile.OpenBacking(s.of, "qcow2", path)
	if err != nil {
		return "", err
	}
	defer b.Close()
	f, err := storage.Create(path, false)
	if err != nil {
		return "", fmt.Errorf("overlay of %s: %w; --snapshot-dir names another folder", s.of, err)
	}
	defer f.Close()
	err = unix.Fchmod(f.Fd(), 0o600)
	if err == nil {
		err = qcow2.Create(f, qcow2.CreateOptions{Backing: &b.BackingOptions})
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("overlay of %s: %w", s.of, err), os.Remove(path))
	}
	return path, nil
}
