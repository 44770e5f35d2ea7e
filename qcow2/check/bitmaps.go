// SPDX-License-Identifier: Apache-2.0

package check

import (
	"crypto/sha256"
	"encoding/binary"

	"zqublkd/qcow2/format"
)

// checkBitmaps counts bitmaps, if the autoclear bit says that they are valid;
// otherwise nobody may use them and their clusters count as leaked.
func (c *checker) checkBitmaps() error {
	for _, data := range format.FindExtensions(c.h.Extensions, format.ExtBitmaps) {
		if len(data) > format.BitmapExtension {
			c.corruption(0, "the bitmaps extension has %d bytes, not %d", len(data), format.BitmapExtension)
		}
	}
	if c.h.Autoclear&format.AutoclearBitmaps == 0 {
		return nil
	}
	data := c.extension(format.ExtBitmaps, "bitmaps", format.BitmapExtension)
	if data == nil {
		return nil
	}
	if reserved := binary.BigEndian.Uint32(data[4:]); reserved != 0 {
		c.corruption(0, "the bitmaps extension has its reserved field set: %#x", reserved)
	}
	count := binary.BigEndian.Uint32(data)
	n, off := binary.BigEndian.Uint64(data[8:]), binary.BigEndian.Uint64(data[16:])
	if count == 0 || n == 0 {
		c.corruption(0, "the bitmaps extension says there are %d bitmaps in a directory of %d bytes: without bitmaps there must be no extension", count, n)
		return nil
	}
	return c.checkBitmapDirectory(count, off, n)
}

func (c *checker) checkBitmapDirectory(count uint32, off, n uint64) error {
	if count > format.MaxBitmaps || n > format.MaxBitmapDir {
		c.damage(off, "the bitmap directory has %d entries in %d bytes, which is too much", count, n)
		return nil
	}
	if !c.countAligned(format.KindBitmaps, off, n, 1, "bitmap directory") {
		return nil
	}
	dir := make([]byte, n)
	if err := c.read(dir, off); err != nil {
		return err
	}
	names := make(map[[sha256.Size]byte]bool)
	for range count {
		length := format.BitmapEntryLength(dir)
		if length == 0 {
			c.damage(off, "the bitmap directory at %#x ends before its %d entries do", off, count)
			return nil
		}
		e := format.ParseBitmapEntry(dir, off+n-uint64(len(dir)))
		c.judgeBitmap(e)
		if sum := sha256.Sum256(e.Name); names[sum] {
			c.corruption(e.At, "two bitmaps have the name %q", e.Name)
		} else {
			names[sum] = true
		}
		if err := c.checkBitmap(e); err != nil {
			return err
		}
		dir = dir[length:]
	}
	if len(dir) > 0 {
		c.damage(off, "the bitmap directory at %#x goes on for %d bytes behind its %d entries", off, len(dir), count)
	}
	return nil
}

// judgeBitmap says for what of it QEMU does not open the image.
func (c *checker) judgeBitmap(e format.BitmapEntry) {
	bits := uint64(e.Entries) << c.g.ClusterBits * 8
	switch {
	case e.Flags&^format.BitmapKnownFlags != 0:
		c.corruption(e.At, "the bitmap %q has unknown flags: %#x", e.Name, e.Flags)
	case e.Kind != format.BitmapDirty:
		c.corruption(e.At, "the bitmap %q has type %d, only %d is known", e.Name, e.Kind, format.BitmapDirty)
	case e.Granularity < format.MinGranularity || e.Granularity > format.MaxGranularity:
		c.corruption(e.At, "the bitmap %q has a granularity of 2^%d bytes, outside 2^%d to 2^%d", e.Name, e.Granularity, format.MinGranularity, format.MaxGranularity)
	case e.Extra != 0:
		c.corruption(e.At, "the bitmap %q has %d bytes of extra data, which are unknown", e.Name, e.Extra)
	case len(e.Name) == 0 || len(e.Name) > format.MaxBitmapName:
		c.corruption(e.At, "a bitmap has a name of %d bytes, outside 1 to %d", len(e.Name), format.MaxBitmapName)
	case bits/8 > format.MaxBitmapBytes:
		c.corruption(e.At, "the bitmap %q has %d bytes, at most %d are allowed", e.Name, bits/8, format.MaxBitmapBytes)
	case e.Flags&format.BitmapInUse == 0 && format.DivUp(c.h.Size, 1<<e.Granularity) > bits:
		c.corruption(e.At, "the bitmap %q has room for %d bits of 2^%d bytes each, too few for a disk of %d", e.Name, bits, e.Granularity, c.h.Size)
	}
}

// checkBitmap counts the table of a bitmap and the clusters in it.
func (c *checker) checkBitmap(e format.BitmapEntry) error {
	off, n := e.Table, uint64(e.Entries)*8
	if n > format.MaxBitmapTable || n == 0 || off == 0 {
		c.damage(e.At, "the bitmap %q has a table of %d entries at %#x; 1 to %d are allowed, and not at 0", e.Name, e.Entries, off, format.MaxBitmapTable/8)
		return nil
	}
	if !c.spend(uint64(e.Entries)) || !c.countAligned(format.KindBitmaps, off, n, 1, "bitmap table") || c.hole(off, n) {
		return nil
	}
	raw := make([]byte, n)
	if err := c.read(raw, off); err != nil {
		return err
	}
	for at := off; len(raw) > 0 && !c.counted.full; raw, at = raw[8:], at+8 {
		word := binary.BigEndian.Uint64(raw)
		data := word & format.OffsetMask
		if word&format.BitmapEntryUnused != 0 || data != 0 && word&format.BitmapAllOnes != 0 {
			c.corruption(at, "the entry at %#x of the table of bitmap %q has reserved bits set: %#x", at, e.Name, word)
		}
		if data != 0 {
			c.countAligned(format.KindBitmaps, data, c.g.ClusterSize(), 1, "bitmap data")
		}
	}
	return nil
}
