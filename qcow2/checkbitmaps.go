package qcow2

import "encoding/binary"

// checkBitmaps claims bitmaps, if the autoclear bit says that they are valid;
// otherwise nobody may use them and their clusters count as leaked.
func (c *checker) checkBitmaps() error {
	if c.h.Autoclear&AutoclearBitmaps == 0 {
		return nil
	}
	data := c.extension(ExtBitmaps, "bitmaps", bitmapExtension)
	if data == nil {
		return nil
	}
	count := binary.BigEndian.Uint32(data)
	n, off := binary.BigEndian.Uint64(data[8:]), binary.BigEndian.Uint64(data[16:])
	return c.checkBitmapDirectory(count, off, n)
}

func (c *checker) checkBitmapDirectory(count uint32, off, n uint64) error {
	if count > maxBitmaps || n > maxBitmapDir {
		c.damage(off, "the bitmap directory has %d entries in %d bytes, which is too much", count, n)
		return nil
	}
	if !c.claimAligned(useOther, off, n, 1, "bitmap directory") {
		return nil
	}
	dir := make([]byte, n)
	if err := c.read(dir, off); err != nil {
		return err
	}
	for range count {
		length := bitmapEntryLength(dir)
		if length == 0 {
			c.damage(off, "the bitmap directory at %#x ends before its %d entries do", off, count)
			return nil
		}
		if err := c.checkBitmap(binary.BigEndian.Uint64(dir), binary.BigEndian.Uint32(dir[8:])); err != nil {
			return err
		}
		dir = dir[length:]
	}
	return nil
}

// checkBitmap claims the table of a bitmap and the clusters in it.
func (c *checker) checkBitmap(off uint64, entries uint32) error {
	n := uint64(entries) * 8
	if n > maxBitmapTable {
		c.damage(off, "a bitmap table has %d entries, at most %d are allowed", entries, maxBitmapTable/8)
		return nil
	}
	if !c.spend(uint64(entries)) || !c.claimAligned(useOther, off, n, 1, "bitmap table") || c.hole(off, n) {
		return nil
	}
	raw := make([]byte, n)
	if err := c.read(raw, off); err != nil {
		return err
	}
	for ; len(raw) > 0 && !c.uses.full; raw = raw[8:] {
		if at := binary.BigEndian.Uint64(raw) & offsetMask; at != 0 {
			c.claimAligned(useOther, at, c.g.clusterSize(), 1, "bitmap data")
		}
	}
	return nil
}
