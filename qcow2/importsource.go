// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// rawSource is a disk that lies in a file byte by byte.
type rawSource struct{ *imageFile }

// RawSource is the disk in a raw image; its size is that of the file.
func RawSource(f storage.File) (Source, error) {
	d, err := newImageFile(f)
	return rawSource{d}, err
}

func (r rawSource) Size() uint64 { return r.length.Load() }

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

func (r rawSource) ReadDisk(p []byte, off uint64) error { return r.read(p, off) }

// imageSource is the disk of a plain image.
type imageSource struct{ *zonedView }

// ImageSource is the disk of a plain image, opened for reading.
func ImageSource(i *Image) (Source, error) {
	if i.zones != nil {
		return nil, &format.UnsupportedError{Feature: "importing a zoned image", WayOut: "copy it, and change its layout with zqublkd amend; or export its disk first"}
	}
	return imageSource{i.zonedView()}, nil
}

func (s imageSource) Size() uint64 { return s.size }

func (s imageSource) NextData(off uint64) (uint64, error) { return s.nextStored(off) }

func (s imageSource) ReadDisk(p []byte, off uint64) error {
	n := min(uint64(len(p)), s.size-min(off, s.size))
	clear(p[n:])
	return s.readByRule(p[:n], off)
}
