package qcow2

import (
	"encoding/binary"
	"strings"
)

// zoneLayout is one byte layout of the extension and of the zone table. The
// series changed both several times without a version field.
type zoneLayout struct {
	name   string
	series string // revisions of QEMU's patch series that read and write it
	length int    // bytes of extension data

	model, zoneSize, zoneCapacity, conventional, zones zoneField
	maxActive, maxOpen, maxAppend                      zoneField
	tableSize, tableOffset                             zoneField
	appendUnit                                         uint64 // bytes of one in maxAppend

	bigEndian   bool // zone table; else in the order of the host that made it
	typeBit     uint // bit of a table entry that says "conventional"
	needsBit    bool // incompatible bit 5 goes with the extension
	wraps       bool // made by code that cut initial write pointers to 32 bits
	conditioned bool // entries may carry a zone condition above the type bit

	// What its readers refuse, beyond what makes no sense in any layout.
	powerOfTwo    bool // zone size has to be one
	wholeClusters bool // zone size has to be a multiple of the cluster size
	sequential    bool // at least one zone has to be sequential
	appendBelow   bool // append limit + 512 has to be below the capacity
}

// layouts, by the series revision that introduced each (v11: read off the v13
// snapshot). Names are those of the zone.revision option.
var layouts = []*zoneLayout{layoutV3, layoutV6, layoutV8, layoutV11, layoutV14}

// layoutV3 is read only: the entries of series v3 hold conditions, those of v4
// don't, and nothing tells the two apart.
var layoutV3 = &zoneLayout{
	name: "v3", series: "v3 and v4", length: 48, typeBit: 59, wraps: true, conditioned: true,
	model: zoneField{0, 1}, zoneSize: zoneField{4, 4}, zoneCapacity: zoneField{8, 4},
	conventional: zoneField{12, 4}, zones: zoneField{16, 4}, maxActive: zoneField{20, 4},
	maxOpen: zoneField{24, 4}, maxAppend: zoneField{28, 4}, appendUnit: 512,
	tableOffset: zoneField{32, 8}, tableSize: zoneField{40, 8},
}

var layoutV6 = &zoneLayout{
	name: "v6", series: "v5 to v7", length: 48, typeBit: 59, needsBit: true, wraps: true,
	model: zoneField{0, 1}, zoneSize: zoneField{4, 4}, zoneCapacity: zoneField{8, 4},
	conventional: zoneField{12, 4}, zones: zoneField{16, 4}, maxActive: zoneField{20, 4},
	maxOpen: zoneField{24, 4}, maxAppend: zoneField{28, 4}, appendUnit: 1,
	tableSize: zoneField{32, 8}, tableOffset: zoneField{40, 8},
}

var layoutV8 = &zoneLayout{
	name: "v8", series: "v8 to v10", length: 56, typeBit: 59, needsBit: true,
	sequential: true, appendBelow: true,
	model: zoneField{0, 1}, zoneSize: zoneField{4, 8}, zoneCapacity: zoneField{12, 8},
	conventional: zoneField{20, 4}, zones: zoneField{24, 4}, maxActive: zoneField{28, 4},
	maxOpen: zoneField{32, 4}, maxAppend: zoneField{36, 4}, appendUnit: 1,
	tableSize: zoneField{40, 8}, tableOffset: zoneField{48, 8},
}

var layoutV11 = &zoneLayout{
	name: "v11", series: "v11 to v13", length: 48, typeBit: 63, bigEndian: true, needsBit: true,
	powerOfTwo: true, sequential: true, appendBelow: true,
	model: zoneField{0, 1}, zones: zoneField{4, 4}, zoneSize: zoneField{8, 8},
	zoneCapacity: zoneField{16, 8}, conventional: zoneField{24, 4}, maxActive: zoneField{28, 4},
	maxOpen: zoneField{32, 4}, maxAppend: zoneField{36, 4}, appendUnit: 1,
	tableOffset: zoneField{40, 8},
}

var layoutV14 = &zoneLayout{
	name: "v14", series: "v14", length: 44, typeBit: 63, bigEndian: true, needsBit: true,
	powerOfTwo: true, wholeClusters: true, sequential: true,
	model: zoneField{0, 1}, zones: zoneField{4, 4}, zoneSize: zoneField{8, 8},
	zoneCapacity: zoneField{16, 8}, tableOffset: zoneField{24, 8}, conventional: zoneField{32, 4},
	maxActive: zoneField{36, 4}, maxOpen: zoneField{40, 4},
}

// Revisions are the layouts this program writes, as zone.revision names them.
var Revisions = writtenRevisions()

func writtenRevisions() []string {
	var names []string
	for _, l := range layouts {
		if !l.conditioned {
			names = append(names, l.name)
		}
	}
	return names
}

// layoutNamed is nil for a name that no layout has.
func layoutNamed(name string) *zoneLayout {
	for _, l := range layouts {
		if l.name == name {
			return l
		}
	}
	return nil
}

// layoutToWrite is the layout a zone.revision option asks for.
func layoutToWrite(name string) (*zoneLayout, error) {
	l := layoutNamed(name)
	if l == nil || l.conditioned {
		return nil, &OptionError{"zone.revision", name, "must be one of " + strings.Join(Revisions, ", ")}
	}
	return l, nil
}

// byteOrder is the order of the words in tables this program makes.
func (l *zoneLayout) byteOrder() binary.ByteOrder {
	if l.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
