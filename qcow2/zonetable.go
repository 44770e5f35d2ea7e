package qcow2

import (
	"encoding/binary"
	"fmt"
)

// lostTable is what a table of zeros is; no zone but the first starts at 0.
const lostTable = "is all zeros: freed, as `qemu-img check -r leaks` does to one it does not know. The write pointers are gone; " +
	"zqublkd export --ignore-zones copies the disk, and zqublkd import finds where its data ends"

// zoneTable is the zone table of a file. It is read when it is looked at and
// not kept: it may have millions of entries, and who serves the image keeps the
// write pointers anyway.
type zoneTable struct {
	entryCodec
	read func(p []byte, off uint64) error // of the file
}

// findZoneTable finds out in which byte order the words of a table are. Layouts
// that stored them in that of the host are tried little-endian first, then
// big-endian; when neither makes sense the table is one of the first. An error
// is a failed read, doubts are in the tally.
func findZoneTable(read func(p []byte, off uint64) error, l *zoneLayout, info *ZonedInfo) (zoneTable, zoneTally, error) {
	t := zoneTable{entryCodec{l, info, l.byteOrder()}, read}
	found, err := t.tally()
	if err != nil || found.broken == nil || found.lost || l.bigEndian {
		return t, found, err
	}
	swapped := zoneTable{entryCodec{l, info, binary.BigEndian}, read}
	other, err := swapped.tally()
	if err == nil && other.broken == nil {
		return swapped, other, nil
	}
	return t, found, err
}

// zoneTally is what all entries of a table come to.
type zoneTally struct {
	wrapped  int   // entries, see ZoneEntry.Wrapped
	aboveEnd int   // full zones stored above their writable end
	broken   error // what is wrong with the first invalid entry, if any is
	lost     bool  // all are zeros, which no table is
}

func (t zoneTable) tally() (zoneTally, error) {
	s := zoneTally{lost: t.info.Zones > 1}
	err := t.each(func(i uint32, word uint64) error {
		e := t.decode(i, word)
		s.lost = s.lost && word == 0
		if e.Invalid && s.broken == nil {
			s.broken = t.complain(i, e)
		}
		if e.Wrapped {
			s.wrapped++
		}
		if t.aboveEnd(i, e) {
			s.aboveEnd++
		}
		return nil
	})
	if s.lost {
		s.broken = corrupt("zone table", t.info.TableOffset, lostTable)
	}
	return s, err
}

// each calls f with every entry as it is stored, in the order of zones, until f
// fails.
func (t zoneTable) each(f func(zone uint32, word uint64) error) error {
	r := zoneReader{zoneTable: t}
	for next := uint64(0); next < uint64(t.info.Zones); next += zonesAhead {
		if err := r.fetch(uint32(next)); err != nil {
			return err
		}
		for k, word := range r.words {
			if err := f(r.first+uint32(k), word); err != nil {
				return err
			}
		}
	}
	return nil
}

// complain says what is wrong with the entry of zone i.
func (c entryCodec) complain(i uint32, e ZoneEntry) error {
	at := c.info.TableOffset + uint64(i)*zoneEntrySize
	start := c.info.ZoneStart(i)
	switch {
	case e.Conventional && i >= c.info.Conventional:
		return corrupt("zone table", at, "calls zone %d conventional, the header only the first %d", i, c.info.Conventional)
	case !e.Conventional && i < c.info.Conventional:
		return corrupt("zone table", at, "calls zone %d sequential, the header the first %d conventional", i, c.info.Conventional)
	case e.WP%512 != 0:
		return corrupt("zone table", at, "gives zone %d the write pointer %#x, no multiple of 512", i, e.WP)
	}
	return corrupt("zone table", at, "gives zone %d the write pointer %#x, outside %#x..%#x", i, e.WP, start, start+c.info.ZoneSize)
}

// ZoneSlot is a write pointer to be stored.
type ZoneSlot struct {
	Zone uint32
	WP   uint64 // byte offset on the virtual disk; at or past the writable end: FULL
}

// encodeSlots groups slots of adjacent zones and hands each group's bytes and
// byte offset in the file to write.
func (c entryCodec) encodeSlots(slots []ZoneSlot, write func(b []byte, at uint64) error) error {
	for len(slots) > 0 {
		n := 1
		for n < len(slots) && slots[n].Zone == slots[n-1].Zone+1 {
			n++
		}
		b := make([]byte, n*zoneEntrySize)
		for k, s := range slots[:n] {
			c.order.PutUint64(b[k*zoneEntrySize:], c.encode(s.Zone, s.WP))
		}
		if err := write(b, c.info.TableOffset+uint64(slots[0].Zone)*zoneEntrySize); err != nil {
			return err
		}
		slots = slots[n:]
	}
	return nil
}

// checkSlot refuses values no zone can have.
func (c entryCodec) checkSlot(s ZoneSlot) error {
	if s.Zone >= c.info.Zones {
		return fmt.Errorf("zone %d of %d: %w", s.Zone, c.info.Zones, ErrRange)
	}
	if !c.sound(s.Zone, s.WP, s.Zone < c.info.Conventional) {
		return fmt.Errorf("zone %d can't have the write pointer %#x: %w", s.Zone, s.WP, ErrRange)
	}
	return nil
}
