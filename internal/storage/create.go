// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const createMode = 0o644

// Create makes an empty file at path (mode 0644 before umask), opened for
// writing and locked. If something is there already the answer is ErrExists,
// with force an image nobody uses is emptied instead; a block device keeps its
// contents, so the caller writes or punches all it relies on.
func Create(path string, force bool) (*OSFile, error) {
	f, err := createNew(path)
	if err == unix.EEXIST {
		if !force {
			return nil, fmt.Errorf("%s: %w; choose another name, or overwrite it with --force", path, ErrExists)
		}
		f, err = overwrite(path)
	}
	if err != nil {
		return nil, describe("create", path, err)
	}
	return f, nil
}

func createNew(path string) (*OSFile, error) {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, createMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	f := &OSFile{path: path, fd: fd, direct: -1, kind: unix.S_IFREG}
	if err := f.lock(writerLocks); err != nil {
		f.Close()
		unix.Unlink(path) // ours, and it would stop the next attempt
		return nil, err
	}
	return f, nil
}

// overwrite empties a file, but only once the lock proves it unused.
func overwrite(path string) (*OSFile, error) {
	f, err := open(path, Options{}, 0)
	if err != nil {
		return nil, err
	}
	if err := f.empty(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *OSFile) empty() error {
	if f.kind == unix.S_IFBLK {
		return nil
	}
	return retry(func() error { return unix.Ftruncate(f.fd, 0) })
}
