package qcow2

import (
	"encoding/binary"
	"math"
)

// ZoneExtension is the data of the zoned header extension, whatever its
// layout. Sizes and offsets are bytes. Fields a layout lacks are zero.
type ZoneExtension struct {
	Model          uint8 // 1: host-managed
	ZoneSize       uint64
	ZoneCapacity   uint64
	Conventional   uint32 // zones
	Zones          uint32
	MaxActive      uint32 // zones, 0: no limit
	MaxOpen        uint32 // zones, 0: no limit
	MaxAppendBytes uint32 // 0: no limit
	TableSize      uint64
	TableOffset    uint64 // byte offset of the zone table in the file
}

const modelHostManaged = 1

// zoneField places one big-endian field in the extension; width 0: absent.
type zoneField struct{ at, width int }

func (f zoneField) get(b []byte) uint64 {
	switch f.width {
	case 1:
		return uint64(b[f.at])
	case 4:
		return uint64(binary.BigEndian.Uint32(b[f.at:]))
	case 8:
		return binary.BigEndian.Uint64(b[f.at:])
	}
	return 0
}

func (f zoneField) put(b []byte, v uint64) {
	switch f.width {
	case 1:
		b[f.at] = byte(v)
	case 4:
		binary.BigEndian.PutUint32(b[f.at:], uint32(v))
	case 8:
		binary.BigEndian.PutUint64(b[f.at:], v)
	}
}

// holds says whether the field can express v.
func (f zoneField) holds(v uint64) bool {
	return v == 0 || f.width == 8 || f.width > 0 && v>>(8*f.width) == 0
}

// decode reads exactly length bytes.
func (l *zoneLayout) decode(b []byte) ZoneExtension {
	return ZoneExtension{
		Model:          uint8(l.model.get(b)),
		ZoneSize:       l.zoneSize.get(b),
		ZoneCapacity:   l.zoneCapacity.get(b),
		Conventional:   uint32(l.conventional.get(b)),
		Zones:          uint32(l.zones.get(b)),
		MaxActive:      uint32(l.maxActive.get(b)),
		MaxOpen:        uint32(l.maxOpen.get(b)),
		MaxAppendBytes: uint32(min(l.maxAppend.get(b)*l.appendUnit, math.MaxUint32)),
		TableSize:      l.tableSize.get(b),
		TableOffset:    l.tableOffset.get(b),
	}
}

// encode stores what express has nothing against. The table size is derived.
func (l *zoneLayout) encode(x ZoneExtension) []byte {
	b := make([]byte, l.length)
	l.model.put(b, uint64(x.Model))
	l.zoneSize.put(b, x.ZoneSize)
	l.zoneCapacity.put(b, x.ZoneCapacity)
	l.conventional.put(b, uint64(x.Conventional))
	l.zones.put(b, uint64(x.Zones))
	l.maxActive.put(b, uint64(x.MaxActive))
	l.maxOpen.put(b, uint64(x.MaxOpen))
	if l.maxAppend.width != 0 {
		l.maxAppend.put(b, uint64(x.MaxAppendBytes)/l.appendUnit)
	}
	l.tableSize.put(b, uint64(x.Zones)*zoneEntrySize)
	l.tableOffset.put(b, x.TableOffset)
	return b
}
