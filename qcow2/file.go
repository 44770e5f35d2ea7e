// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// imageFile is the image file and what is known of its length in bytes. The length
// only grows.
//
// Its read and write are for metadata. Data goes by readData and writeData, which
// take the way that was chosen when the image was opened.
type imageFile struct {
	storage.File
	way    *storage.Way
	length atomic.Uint64
}

const zeroChunk = 1 << 20 // bytes of zeros written at once where holes can't be punched

func newImageFile(f storage.File) (*imageFile, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	d := &imageFile{File: f, way: storage.PageCache(f)}
	d.length.Store(uint64(size))
	return d, nil
}

// read fills p; what lies past the end of the file is zeros, as QEMU reads it,
// unless the file was longer once.
func (d *imageFile) read(p []byte, off uint64) error {
	n, err := d.ReadAt(p, int64(off))
	return d.filled(p, n, err)
}

// readData is read for data.
func (d *imageFile) readData(p []byte, off uint64) error {
	n, err := d.way.ReadAt(p, int64(off))
	return d.filled(p, n, err)
}

// filled ends a read that has moved n bytes.
func (d *imageFile) filled(p []byte, n int, err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	clear(p[n:])
	return d.whole()
}

// whole says whether the file is still as long as it was.
func (d *imageFile) whole() error {
	length := d.length.Load() // before the size, which grows first
	size, err := d.Size()
	if err == nil && uint64(size) < length {
		err = fmt.Errorf("%w while it is in use: it ends at byte %d and had %d", format.ErrTruncated, size, length)
	}
	return err
}

// write writes p and notes that the file may have grown.
func (d *imageFile) write(p []byte, off uint64) error {
	if _, err := d.WriteAt(p, int64(off)); err != nil {
		return err
	}
	d.noteLength(off + uint64(len(p)))
	return nil
}

// writeData is write for data.
func (d *imageFile) writeData(p []byte, off uint64) error {
	if _, err := d.way.WriteAt(p, int64(off)); err != nil {
		return err
	}
	d.noteLength(off + uint64(len(p)))
	return nil
}

func (d *imageFile) noteLength(end uint64) {
	for {
		old := d.length.Load()
		if end <= old || d.length.CompareAndSwap(old, end) {
			return
		}
	}
}

// grow makes the file at least end bytes long; the new part reads as zeros.
func (d *imageFile) grow(end uint64) error {
	if end <= d.length.Load() {
		return nil
	}
	if err := d.Truncate(int64(end)); err != nil {
		return err
	}
	d.noteLength(end)
	return nil
}

// zero makes [off,off+n), which is data's, read as zeros, by a hole if the file can.
func (d *imageFile) zero(off, n uint64) error {
	if n == 0 || d.PunchHole(int64(off), int64(n)) == nil {
		return nil
	}
	return d.writeZeros(off, n)
}

func (d *imageFile) writeZeros(off, n uint64) error {
	zeros := make([]byte, min(n, zeroChunk))
	for n > 0 {
		step := min(n, zeroChunk)
		if err := d.writeData(zeros[:step], off); err != nil {
			return err
		}
		off, n = off+step, n-step
	}
	return nil
}

// fresh makes [off,off+n), of which nothing is in use, readable as zeros: old
// bytes within the file are erased, the rest comes by growing.
func (d *imageFile) fresh(off, n uint64) error {
	old := d.length.Load()
	if err := d.grow(off + n); err != nil {
		return err
	}
	if off >= old {
		return nil
	}
	return d.zero(off, min(n, old-off))
}
