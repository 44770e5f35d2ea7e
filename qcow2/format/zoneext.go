// SPDX-License-Identifier: Apache-2.0

package format

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

const ModelHostManaged = 1

// ZoneField places one big-endian field in the extension; width 0: absent.
type ZoneField struct{ At, Width int }

func (f ZoneField) get(b []byte) uint64 {
	switch f.Width {
	case 1:
		return uint64(b[f.At])
	case 4:
		return uint64(binary.BigEndian.Uint32(b[f.At:]))
	case 8:
		return binary.BigEndian.Uint64(b[f.At:])
	}
	return 0
}

// Put writes the field into the data of an extension.
func (f ZoneField) Put(b []byte, v uint64) {
	switch f.Width {
	case 1:
		b[f.At] = byte(v)
	case 4:
		binary.BigEndian.PutUint32(b[f.At:], uint32(v))
	case 8:
		binary.BigEndian.PutUint64(b[f.At:], v)
	}
}

// holds reports whether the field has room for v.
func (f ZoneField) holds(v uint64) bool {
	return v == 0 || f.Width == 8 || f.Width > 0 && v>>(8*f.Width) == 0
}

// Decode reads exactly length bytes.
func (l *ZoneLayout) Decode(b []byte) ZoneExtension {
	return ZoneExtension{
		Model:          uint8(l.Model.get(b)),
		ZoneSize:       l.ZoneSize.get(b),
		ZoneCapacity:   l.ZoneCapacity.get(b),
		Conventional:   uint32(l.Conventional.get(b)),
		Zones:          uint32(l.Zones.get(b)),
		MaxActive:      uint32(l.maxActive.get(b)),
		MaxOpen:        uint32(l.maxOpen.get(b)),
		MaxAppendBytes: uint32(min(l.MaxAppend.get(b)*l.appendUnit, math.MaxUint32)),
		TableSize:      l.TableSize.get(b),
		TableOffset:    l.TableOffset.get(b),
	}
}

// Encode stores what breaks no rule of the layout. The table size is derived.
func (l *ZoneLayout) Encode(x ZoneExtension) []byte {
	b := make([]byte, l.length)
	l.Model.Put(b, uint64(x.Model))
	l.ZoneSize.Put(b, x.ZoneSize)
	l.ZoneCapacity.Put(b, x.ZoneCapacity)
	l.Conventional.Put(b, uint64(x.Conventional))
	l.Zones.Put(b, uint64(x.Zones))
	l.maxActive.Put(b, uint64(x.MaxActive))
	l.maxOpen.Put(b, uint64(x.MaxOpen))
	if l.MaxAppend.Width != 0 {
		l.MaxAppend.Put(b, uint64(x.MaxAppendBytes)/l.appendUnit)
	}
	l.TableSize.Put(b, uint64(x.Zones)*ZoneEntrySize)
	l.TableOffset.Put(b, x.TableOffset)
	return b
}
