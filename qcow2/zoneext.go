package qcow2

import (
	"encoding/binary"
	"fmt"
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

// zoneLayout is one byte layout of the extension and of the zone table. The
// series changed both several times without a version field.
type zoneLayout struct {
	name   string
	length int // bytes of extension data

	model, zoneSize, zoneCapacity, conventional, zones zoneField
	maxActive, maxOpen, maxAppend                      zoneField
	tableSize, tableOffset                             zoneField

	bigEndian   bool // zone table; else in the order of the host that made it
	typeBit     uint // bit of a table entry that says "conventional"
	needsBit    bool // incompatible bit 5 goes with the extension
	wraps       bool // made by code that cut initial write pointers to 32 bits
	powerOfTwo  bool // zone size has to be one
	conditioned bool // entries carry a zone condition above the type bit
	servable    bool // this program writes it
}

// layouts, by the series revision that introduced each (v11: read off the v13
// snapshot). Names are those of the zone.revision option.
var layouts = []*zoneLayout{layoutV3, layoutV6, layoutV8, layoutV11, layoutV14}

var layoutV3 = &zoneLayout{
	name: "v3", length: 48, typeBit: 59, wraps: true, conditioned: true,
	model: zoneField{0, 1}, zoneSize: zoneField{4, 4}, zoneCapacity: zoneField{8, 4},
	conventional: zoneField{12, 4}, zones: zoneField{16, 4}, maxActive: zoneField{20, 4},
	maxOpen: zoneField{24, 4}, tableOffset: zoneField{32, 8}, tableSize: zoneField{40, 8},
}

var layoutV6 = &zoneLayout{
	name: "v6", length: 48, typeBit: 59, needsBit: true, wraps: true, servable: true,
	model: zoneField{0, 1}, zoneSize: zoneField{4, 4}, zoneCapacity: zoneField{8, 4},
	conventional: zoneField{12, 4}, zones: zoneField{16, 4}, maxActive: zoneField{20, 4},
	maxOpen: zoneField{24, 4}, maxAppend: zoneField{28, 4},
	tableSize: zoneField{32, 8}, tableOffset: zoneField{40, 8},
}

var layoutV8 = &zoneLayout{
	name: "v8", length: 56, typeBit: 59, needsBit: true,
	model: zoneField{0, 1}, zoneSize: zoneField{4, 8}, zoneCapacity: zoneField{12, 8},
	conventional: zoneField{20, 4}, zones: zoneField{24, 4}, maxActive: zoneField{28, 4},
	maxOpen: zoneField{32, 4}, maxAppend: zoneField{36, 4},
	tableSize: zoneField{40, 8}, tableOffset: zoneField{48, 8},
}

var layoutV11 = &zoneLayout{
	name: "v11", length: 48, typeBit: 63, bigEndian: true, needsBit: true, powerOfTwo: true,
	model: zoneField{0, 1}, zones: zoneField{4, 4}, zoneSize: zoneField{8, 8},
	zoneCapacity: zoneField{16, 8}, conventional: zoneField{24, 4}, maxActive: zoneField{28, 4},
	maxOpen: zoneField{32, 4}, maxAppend: zoneField{36, 4}, tableOffset: zoneField{40, 8},
}

var layoutV14 = &zoneLayout{
	name: "v14", length: 44, typeBit: 63, bigEndian: true, needsBit: true, powerOfTwo: true,
	model: zoneField{0, 1}, zones: zoneField{4, 4}, zoneSize: zoneField{8, 8},
	zoneCapacity: zoneField{16, 8}, tableOffset: zoneField{24, 8}, conventional: zoneField{32, 4},
	maxActive: zoneField{36, 4}, maxOpen: zoneField{40, 4},
}

func layoutNamed(name string) *zoneLayout {
	for _, l := range layouts {
		if l.name == name {
			return l
		}
	}
	return nil
}

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
		MaxAppendBytes: uint32(l.maxAppend.get(b)),
		TableSize:      l.tableSize.get(b),
		TableOffset:    l.tableOffset.get(b),
	}
}

// encode refuses what the layout cannot express. The table size is derived.
func (l *zoneLayout) encode(x ZoneExtension) ([]byte, error) {
	if err := l.express(x); err != nil {
		return nil, err
	}
	b := make([]byte, l.length)
	l.model.put(b, uint64(x.Model))
	l.zoneSize.put(b, x.ZoneSize)
	l.zoneCapacity.put(b, x.ZoneCapacity)
	l.conventional.put(b, uint64(x.Conventional))
	l.zones.put(b, uint64(x.Zones))
	l.maxActive.put(b, uint64(x.MaxActive))
	l.maxOpen.put(b, uint64(x.MaxOpen))
	l.maxAppend.put(b, uint64(x.MaxAppendBytes))
	l.tableSize.put(b, uint64(x.Zones)*zoneEntrySize)
	l.tableOffset.put(b, x.TableOffset)
	return b, nil
}

func (l *zoneLayout) express(x ZoneExtension) error {
	if !l.zoneSize.holds(x.ZoneSize) {
		return &OptionError{"zone.size", x.ZoneSize, fmt.Sprintf(
			"revision %s stores it in %d bits; use zone.revision=v14 for zones of 4 GiB and more", l.name, 8*l.zoneSize.width)}
	}
	if !l.maxAppend.holds(uint64(x.MaxAppendBytes)) {
		return &OptionError{"zone.max_append_bytes", x.MaxAppendBytes, fmt.Sprintf(
			"revision %s has no append limit; leave it out, or use zone.revision=v6", l.name)}
	}
	return nil
}
