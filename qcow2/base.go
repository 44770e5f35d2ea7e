package qcow2

import (
	"fmt"
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// Base is the disk of a backing file: what an image reads where it says
// nothing itself. It is an image opened read-only, or the bytes of a raw file. It
// is never written.
type Base struct {
	image *Image // nil: raw
	raw   *imageFile
	size  uint64 // bytes
}

// MaxLayers bounds a chain of backing files, the image itself included.
const MaxLayers = 200

// BaseImage makes a base of an image opened read-only.
func BaseImage(i *Image) (*Base, error) {
	if !i.readOnly {
		return nil, fmt.Errorf("a backing file opened for writing: %w", format.ErrOption)
	}
	if i.isZoned() {
		return nil, &format.UnsupportedError{Feature: "a zoned image as a backing file", WayOut: "export it first"}
	}
	return &Base{image: i, size: i.size}, nil
}

// BaseRaw makes a base of the bytes of a file.
func BaseRaw(f storage.File) (*Base, error) {
	d, err := newImageFile(f)
	if err != nil {
		return nil, err
	}
	return &Base{raw: d, size: d.length.Load()}, nil
}

// files are those of this layer and all below, the nearest first.
func (b *Base) files() []storage.File {
	switch {
	case b == nil:
		return nil
	case b.image == nil:
		return []storage.File{b.raw.File}
	}
	return b.image.files
}

// extent is the first run of [off,off+n) as the image above sees it: what is
// stored is shared, what lies past the end is zero. It may pass off+n. b may be
// nil, which is a base without a byte.
func (b *Base) extent(off, n uint64) Extent {
	if b == nil || off >= b.size {
		return Extent{Kind: Zero, Len: n}
	}
	n = min(n, b.size-off)
	if b.image == nil {
		return Extent{Kind: Shared, Layer: 1, Host: off, Len: n}
	}
	x := b.image.extentThrough(off, n)
	x.Layer, x.Len = x.Layer+1, min(x.Len, n)
	if x.Kind == Data {
		x.Kind = Shared
	}
	return x
}

// resolve loads the tables that map [off,off+n).
func (b *Base) resolve(off, n uint64) error {
	if b == nil || b.image == nil || off >= b.size {
		return nil
	}
	return b.image.Resolve(off, min(n, b.size-off))
}

// read fills p from byte off on; what lies past the end is zeros.
func (b *Base) read(p []byte, off uint64) error {
	n := uint64(0)
	if b != nil && off < b.size {
		n = min(uint64(len(p)), b.size-off)
	}
	clear(p[n:])
	switch {
	case n == 0:
		return nil
	case b.image == nil:
		return b.raw.read(p[:n], off)
	}
	return b.image.ReadAt(p[:n], off)
}

// zero says whether [off,off+n) is known to read as zeros without reading it.
func (b *Base) zero(off, n uint64) (bool, error) {
	if b == nil || off >= b.size {
		return true, nil
	}
	n = min(n, b.size-off)
	if b.image == nil {
		at, err := b.raw.SeekData(int64(off))
		return err == io.EOF || err == nil && uint64(at) >= off+n, nil
	}
	for n > 0 {
		x, err := b.image.LookupResolved(off, n)
		if err != nil || x.Kind != Zero {
			return false, err
		}
		off, n = off+x.Len, n-x.Len
	}
	return true, nil
}
