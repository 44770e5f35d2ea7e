// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// Base is the disk of a backing file: what an image reads where it says
// nothing itself. It is an image opened read-only, or the bytes of a raw file. It
// is never written.
//
// A zoned one is read as it is stored, also above its write pointers: whoever lies
// over it has write pointers of its own, and hides what lies above those.
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
	return &Base{image: i, size: i.size}, nil
}

// judgeBase: an overlay has the zones of its backing file. Only then do write
// pointers say what of it can be read.
func (i *Image) judgeBase() {
	if i.base == nil || i.isZoned() && i.zones == nil {
		return
	}
	var below *format.ZonedInfo
	if i.base.image != nil {
		below = i.base.image.zones
	}
	switch z := i.zones; {
	case z == nil && below == nil:
	case z == nil:
		i.refuse(UseRead, &format.UnsupportedError{Feature: "a plain image over a zoned one", WayOut: "make a zoned overlay of it with zqublkd create -b, or export it first"})
	case below == nil:
		i.refuse(UseRead, &format.UnsupportedError{Feature: "a zoned image over a plain one", WayOut: "name the zoned image it was made over as its backing file"})
	case z.ZoneSize != below.ZoneSize || z.ZoneCapacity != below.ZoneCapacity || z.Conventional != below.Conventional ||
		i.size != i.base.size:
		i.refuse(UseRead, &format.UnsupportedError{Feature: fmt.Sprintf("%d zones (size %d, capacity %d, %d conventional) over %d others (size %d, capacity %d, %d conventional)",
			z.Zones, z.ZoneSize, z.ZoneCapacity, z.Conventional, below.Zones, below.ZoneSize, below.ZoneCapacity,
			below.Conventional),
			WayOut: "name the image it was made over as its backing file"})
	}
}

// MayLieOver says what keeps an image, whose backing file need not have been opened, from
// lying over another one, nil if it is fit to.
func (i *Image) MayLieOver(below *Image) error {
	for _, r := range i.obstacles {
		if r.Stops == UseRead && !errors.Is(r.Err, ErrNotFollowed) {
			return r.Err
		}
	}
	over := Image{zones: i.zones, header: i.header, size: i.size, base: &Base{image: below, size: below.size}}
	over.judgeBase()
	return over.Refused(UseRead)
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

// ReadAt fills p from byte off on; what lies past the end is zeros. b may be nil, which has
// nothing but zeros.
func (b *Base) ReadAt(p []byte, off uint64) error { return b.read(p, off) }

// Zero says whether [off,off+n) is known to read as zeros without reading it. b may be nil.
func (b *Base) Zero(off, n uint64) (bool, error) { return b.zero(off, n) }

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
