// SPDX-License-Identifier: Apache-2.0

package format

import "encoding/binary"

const ZoneEntrySize = 8 // bytes of a zone table entry

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

// EntryCodec decodes the words of one zone table.
type EntryCodec struct {
	Layout *ZoneLayout
	Info   *ZonedInfo
	Order  binary.ByteOrder // of the words on disk
}

// BigEndian reports whether the table is stored in big-endian order.
func (c EntryCodec) BigEndian() bool { return c.Order == binary.BigEndian }

// Decode reads the word of a zone.
func (c EntryCodec) Decode(i uint32, word uint64) ZoneEntry {
	conventional := word>>c.Layout.TypeBit&1 != 0
	wp := word &^ (1 << c.Layout.TypeBit)
	if c.Layout.Conditioned {
		wp &= 1<<c.Layout.TypeBit - 1
	}
	start := c.Info.ZoneStart(i)
	wrapped := c.Layout.wraps && start>>32 != 0 && wp == start&(1<<32-1)
	if wrapped {
		wp = start
	}
	return ZoneEntry{WP: wp, Conventional: conventional, Wrapped: wrapped, Invalid: !c.sound(i, wp, conventional)}
}

func (c EntryCodec) sound(i uint32, wp uint64, conventional bool) bool {
	start := c.Info.ZoneStart(i)
	return conventional == (i < c.Info.Conventional) && wp >= start && wp-start <= c.Info.ZoneSize && wp%512 == 0
}

// AboveEnd: a full zone, stored as FINISH of older series did.
func (c EntryCodec) AboveEnd(i uint32, e ZoneEntry) bool {
	return !e.Invalid && !e.Conventional && e.WP > c.Info.WritableEnd(i)
}

// encode stores a write pointer. FULL is min(start+capacity, disk size), the
// one value every revision accepts.
func (c EntryCodec) encode(i uint32, wp uint64) uint64 {
	if i < c.Info.Conventional {
		return c.Info.ZoneStart(i) | 1<<c.Layout.TypeBit
	}
	return min(wp, c.Info.WritableEnd(i))
}
