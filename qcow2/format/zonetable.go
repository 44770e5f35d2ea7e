// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"fmt"
)

// lostTable is what a table of zeros is; no zone but the first starts at 0.
const lostTable = "is all zeros: freed, as `qemu-img check -r leaks` does to one it does not know. The write pointers are gone; " +
	"zqublkd export --ignore-zones copies the disk, and zqublkd import finds where its data ends"

// ZoneTable is the zone table of a file. It is read when it is looked at and
// not kept: it may have millions of entries, and who serves the image keeps the
// write pointers anyway.
type ZoneTable struct {
	EntryCodec
	read func(p []byte, off uint64) error // of the file
}

// FindZoneTable finds out in which byte order the words of a table are. Layouts
// that stored them in that of the host are tried little-endian first, then
// big-endian; when neither makes sense the table is one of the first. An error
// is a failed read, doubts are in the tally.
func FindZoneTable(read func(p []byte, off uint64) error, l *ZoneLayout, info *ZonedInfo) (ZoneTable, ZoneTally,
	error) {
	t := ZoneTable{EntryCodec{l, info, l.ByteOrder()}, read}
	found, err := t.tally()
	if err != nil || found.Broken == nil || found.Lost || l.BigEndian {
		return t, found, err
	}
	swapped := ZoneTable{EntryCodec{l, info, binary.BigEndian}, read}
	other, err := swapped.tally()
	if err == nil && other.Broken == nil {
		return swapped, other, nil
	}
	return t, found, err
}

// ZoneTally is what all entries of a table come to.
type ZoneTally struct {
	Wrapped  int   // entries, see ZoneEntry.Wrapped
	AboveEnd int   // full zones stored above their writable end
	Broken   error // what is wrong with the first invalid entry, if any is
	Lost     bool  // all are zeros, which no table is
}

func (t ZoneTable) tally() (ZoneTally, error) {
	s := ZoneTally{Lost: t.Info.Zones > 1}
	err := t.Each(func(i uint32, word uint64) error {
		e := t.Decode(i, word)
		s.Lost = s.Lost && word == 0
		if e.Invalid && s.Broken == nil {
			s.Broken = t.Complain(i, e)
		}
		if e.Wrapped {
			s.Wrapped++
		}
		if t.AboveEnd(i, e) {
			s.AboveEnd++
		}
		return nil
	})
	if s.Lost {
		s.Broken = Corrupt("zone table", t.Info.TableOffset, lostTable)
	}
	return s, err
}

// Each calls f with every entry as it is stored, in the order of zones, until f
// fails.
func (t ZoneTable) Each(f func(zone uint32, word uint64) error) error {
	r := ZoneReader{ZoneTable: t}
	for next := uint64(0); next < uint64(t.Info.Zones); next += zonesAhead {
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

// Complain says what is wrong with the entry of zone i.
func (c EntryCodec) Complain(i uint32, e ZoneEntry) error {
	at := c.Info.TableOffset + uint64(i)*ZoneEntrySize
	start := c.Info.ZoneStart(i)
	switch {
	case e.Conventional && i >= c.Info.Conventional:
		return Corrupt("zone table", at, "calls zone %d conventional, the header only the first %d", i, c.Info.Conventional)
	case !e.Conventional && i < c.Info.Conventional:
		return Corrupt("zone table", at, "calls zone %d sequential, the header the first %d conventional", i, c.Info.Conventional)
	case e.WP%512 != 0:
		return Corrupt("zone table", at, "gives zone %d the write pointer %#x, no multiple of 512", i, e.WP)
	}
	return Corrupt("zone table", at, "gives zone %d the write pointer %#x, outside %#x..%#x", i, e.WP, start, start+c.Info.ZoneSize)
}

// ZoneSlot is a write pointer to be stored.
type ZoneSlot struct {
	Zone uint32
	WP   uint64 // byte offset on the virtual disk; at or past the writable end: FULL
}

// EncodeSlots groups slots of adjacent zones and hands each group's bytes and
// byte offset in the file to write.
func (c EntryCodec) EncodeSlots(slots []ZoneSlot, write func(b []byte, at uint64) error) error {
	for len(slots) > 0 {
		n := 1
		for n < len(slots) && slots[n].Zone == slots[n-1].Zone+1 {
			n++
		}
		b := make([]byte, n*ZoneEntrySize)
		for k, s := range slots[:n] {
			c.Order.PutUint64(b[k*ZoneEntrySize:], c.encode(s.Zone, s.WP))
		}
		if err := write(b, c.Info.TableOffset+uint64(slots[0].Zone)*ZoneEntrySize); err != nil {
			return err
		}
		slots = slots[n:]
	}
	return nil
}

// CheckSlot refuses values no zone can have.
func (c EntryCodec) CheckSlot(s ZoneSlot) error {
	if s.Zone >= c.Info.Zones {
		return fmt.Errorf("zone %d of %d: %w", s.Zone, c.Info.Zones, ErrRange)
	}
	if !c.sound(s.Zone, s.WP, s.Zone < c.Info.Conventional) {
		return fmt.Errorf("zone %d can't have the write pointer %#x: %w", s.Zone, s.WP, ErrRange)
	}
	return nil
}
