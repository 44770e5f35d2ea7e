// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"errors"
	"fmt"
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// rawSource is a disk that lies in a file byte by byte.
type rawSource struct {
	storage.File
	size uint64 // when it was looked at
}

// RawSource is the disk in a raw image; its size is that of the file.
func RawSource(f storage.File) (Source, error) {
	size, err := f.Size()
	return rawSource{f, uint64(size)}, err
}

func (r rawSource) Size() uint64 { return r.size }

func (r rawSource) NextData(off uint64) (uint64, error) {
	at, err := r.SeekData(int64(off))
	if err == io.EOF {
		return r.Size(), nil
	}
	if err != nil {
		return off, nil // it can't tell: data may be anywhere
	}
	return uint64(at), nil
}

func (r rawSource) ReadDisk(p []byte, off uint64) error {
	n, err := r.ReadAt(p, int64(off))
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	clear(p[n:])
	size, err := r.File.Size()
	if err == nil && uint64(size) < r.size {
		err = fmt.Errorf("%w while it is read: it ends at byte %d and had %d", format.ErrTruncated, size, r.size)
	}
	return err
}

// imageSource is the disk of a plain image.
type imageSource struct{ *qcow2.ZonedView }

// ImageSource is the disk of a plain image, opened for reading.
func ImageSource(i *qcow2.Image) (Source, error) {
	if i.Zoned() != nil {
		return nil, &format.UnsupportedError{Feature: "importing a zoned image", WayOut: "copy it, and change its layout with zqublkd amend; or export its disk first"}
	}
	return imageSource{i.ZonedView()}, nil
}

func (s imageSource) Size() uint64 { return s.VirtualSize() }

func (s imageSource) NextData(off uint64) (uint64, error) { return s.NextStored(off) }

func (s imageSource) ReadDisk(p []byte, off uint64) error {
	n := min(uint64(len(p)), s.VirtualSize()-min(off, s.VirtualSize()))
	clear(p[n:])
	return s.ReadByRule(p[:n], off)
}
