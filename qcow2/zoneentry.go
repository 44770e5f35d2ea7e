package qcow2

import "encoding/binary"

const zoneEntrySize = 8 // bytes of a zone table entry

// ZoneEntry is what the zone table says about one zone.
type ZoneEntry struct {
	// WP is the write pointer, a byte offset on the virtual disk: the zone's
	// start when EMPTY, anything from start+capacity on when FULL (layouts
	// differ in what they store). A conventional zone's is its start.
	WP           uint64
	Conventional bool

	// Wrapped: the stored value is the zone's start cut to 32 bits, a bug of
	// the code that made v6 images above 4 GiB. WP is the start it stands for: a
	// sequential zone is EMPTY.
	Wrapped bool

	// Invalid: the stored value makes no sense; WP is what was decoded.
	Invalid bool
}

// entryCodec decodes the words of one zone table.
type entryCodec struct {
	layout *zoneLayout
	info   *ZonedInfo
	order  binary.ByteOrder // of the words on disk
}

func (c entryCodec) bigEndian() bool { return c.order == binary.BigEndian }

func (c entryCodec) decode(i uint32, word uint64) ZoneEntry {
	conventional := word>>c.layout.typeBit&1 != 0
	wp := word &^ (1 << c.layout.typeBit)
	if c.layout.conditioned {
		wp &= 1<<c.layout.typeBit - 1
	}
	start := c.info.ZoneStart(i)
	wrapped := c.layout.wraps && start>>32 != 0 && wp == start&(1<<32-1)
	if wrapped {
		wp = start
	}
	return ZoneEntry{WP: wp, Conventional: conventional, Wrapped: wrapped, Invalid: !c.sound(i, wp, conventional)}
}

func (c entryCodec) sound(i uint32, wp uint64, conventional bool) bool {
	start := c.info.ZoneStart(i)
	return conventional == (i < c.info.Conventional) && wp >= start && wp-start <= c.info.ZoneSize && wp%512 == 0
}

// aboveEnd: a full zone, stored as FINISH of older series did.
func (c entryCodec) aboveEnd(i uint32, e ZoneEntry) bool {
	return !e.Invalid && !e.Conventional && e.WP > c.info.WritableEnd(i)
}

// encode stores a write pointer. FULL is min(start+capacity, disk size), the
// one value every revision accepts.
func (c entryCodec) encode(i uint32, wp uint64) uint64 {
	if i < c.info.Conventional {
		return c.info.ZoneStart(i) | 1<<c.layout.typeBit
	}
	return min(wp, c.info.WritableEnd(i))
}
