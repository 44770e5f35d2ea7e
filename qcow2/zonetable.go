package qcow2

import (
	"encoding/binary"
	"fmt"
)

// lostTable is what a table of zeros is; no zone but the first starts at 0.
const lostTable = "is all zeros: freed, as `qemu-img check -r leaks` does to one it does not know. The write pointers are gone; " +
	"zqublkd export --ignore-zones copies the disk, and zqublkd import finds where its data ends"

// decodeZoneTable decodes the table's bytes. Layouts that stored words in host
// order are tried little-endian first, then big-endian. When no order makes
// sense the entries of the first come back with the error.
func decodeZoneTable(raw []byte, l *zoneLayout, info *ZonedInfo) ([]ZoneEntry, entryCodec, error) {
	orders := []binary.ByteOrder{l.byteOrder()}
	if !l.bigEndian {
		orders = append(orders, binary.BigEndian)
	}
	if info.Zones > 1 && isZero(raw) {
		codec := entryCodec{l, info, orders[0]}
		entries, _ := codec.decodeAll(raw)
		return entries, codec, corrupt("zone table", info.TableOffset, lostTable)
	}
	var first []ZoneEntry
	var firstErr error
	for _, order := range orders {
		codec := entryCodec{l, info, order}
		entries, err := codec.decodeAll(raw)
		if err == nil {
			return entries, codec, nil
		}
		if first == nil {
			first, firstErr = entries, err
		}
	}
	return first, entryCodec{l, info, orders[0]}, firstErr
}

// byteOrder is the order of the words in tables this program makes.
func (l *zoneLayout) byteOrder() binary.ByteOrder {
	if l.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (c entryCodec) decodeAll(raw []byte) ([]ZoneEntry, error) {
	entries := make([]ZoneEntry, c.info.Zones)
	var err error
	for i := range entries {
		word := c.order.Uint64(raw[i*zoneEntrySize:])
		entries[i] = c.decode(uint32(i), word)
		if entries[i].Invalid && err == nil {
			err = c.complain(uint32(i), entries[i])
		}
	}
	return entries, err
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
	if e := (ZoneEntry{WP: s.WP, Conventional: s.Zone < c.info.Conventional}); !c.sound(s.Zone, e) {
		return fmt.Errorf("zone %d can't have the write pointer %#x: %w", s.Zone, s.WP, ErrRange)
	}
	return nil
}
