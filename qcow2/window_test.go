// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"
	"io"

	"zqublkd/internal/storage"
)

// window is a part of a file that acts as a block device: its size is fixed. Two
// files in one are written, synced and crashed together.
type window struct {
	storage.File
	base, size int64
}

func (w window) check(off, n int64) error {
	if off < 0 || off+n > w.size {
		return fmt.Errorf("%d bytes at %d of a window of %d", n, off, w.size)
	}
	return nil
}

func (w window) ReadAt(p []byte, off int64) (int, error) {
	if off >= w.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), w.size-off)
	got, err := w.File.ReadAt(p[:n], w.base+off)
	if err == nil && n < int64(len(p)) {
		err = io.EOF
	}
	return got, err
}

func (w window) WriteAt(p []byte, off int64) (int, error) {
	if err := w.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	return w.File.WriteAt(p, w.base+off)
}

func (w window) PunchHole(off, n int64) error {
	if err := w.check(off, n); err != nil {
		return err
	}
	return w.File.PunchHole(w.base+off, n)
}

func (w window) SeekData(off int64) (int64, error) {
	at, err := w.File.SeekData(w.base + off)
	if err == nil && at >= w.base+w.size {
		err = io.EOF
	}
	return at - w.base, err
}

func (w window) SeekHole(off int64) (int64, error) {
	at, err := w.File.SeekHole(w.base + off)
	if err == nil && at >= w.base+w.size {
		err = io.EOF
	}
	return at - w.base, err
}

func (w window) Size() (int64, error)      { return w.size, nil }
func (w window) Truncate(size int64) error { return w.check(size, 0) }
