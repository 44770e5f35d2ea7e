// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"strings"
)

// ZoneLayout is one byte layout of the extension and of the zone table. The
// series changed both several times without a version field.
type ZoneLayout struct {
	Name   string
	series string // revisions of QEMU's patch series that read and write it
	length int    // bytes of extension data

	Model, ZoneSize, ZoneCapacity, Conventional, Zones ZoneField
	maxActive, maxOpen, MaxAppend                      ZoneField
	TableSize, TableOffset                             ZoneField
	appendUnit                                         uint64 // bytes of one in MaxAppend

	BigEndian   bool // zone table; else in the order of the host that made it
	TypeBit     uint // bit of a table entry that says "conventional"
	NeedsBit    bool // incompatible bit 5 goes with the extension
	wraps       bool // made by code that cut initial write pointers to 32 bits
	Conditioned bool // entries may carry a zone condition above the type bit

	// What its readers refuse, beyond what makes no sense in any layout.
	powerOfTwo    bool // zone size has to be one
	wholeClusters bool // zone size has to be a multiple of the cluster size
	sequential    bool // at least one zone has to be sequential
	appendBelow   bool // append limit + 512 has to be below the capacity
}

// layouts, by the series revision that introduced each (v11: read off the v13
// snapshot). Names are those of the zone.revision option.
var layouts = []*ZoneLayout{LayoutV3, LayoutV6, layoutV8, LayoutV11, LayoutV14}

// LayoutV3 is read only: the entries of series v3 hold conditions, those of v4
// don't, and nothing tells the two apart.
var LayoutV3 = &ZoneLayout{
	Name: "v3", series: "v3 and v4", length: 48, TypeBit: 59, wraps: true, Conditioned: true,
	Model: ZoneField{0, 1}, ZoneSize: ZoneField{4, 4}, ZoneCapacity: ZoneField{8, 4},
	Conventional: ZoneField{12, 4}, Zones: ZoneField{16, 4}, maxActive: ZoneField{20, 4},
	maxOpen: ZoneField{24, 4}, MaxAppend: ZoneField{28, 4}, appendUnit: 512,
	TableOffset: ZoneField{32, 8}, TableSize: ZoneField{40, 8},
}

var LayoutV6 = &ZoneLayout{
	Name: "v6", series: "v5 to v7", length: 48, TypeBit: 59, NeedsBit: true, wraps: true,
	Model: ZoneField{0, 1}, ZoneSize: ZoneField{4, 4}, ZoneCapacity: ZoneField{8, 4},
	Conventional: ZoneField{12, 4}, Zones: ZoneField{16, 4}, maxActive: ZoneField{20, 4},
	maxOpen: ZoneField{24, 4}, MaxAppend: ZoneField{28, 4}, appendUnit: 1,
	TableSize: ZoneField{32, 8}, TableOffset: ZoneField{40, 8},
}

var layoutV8 = &ZoneLayout{
	Name: "v8", series: "v8 to v10", length: 56, TypeBit: 59, NeedsBit: true,
	sequential: true, appendBelow: true,
	Model: ZoneField{0, 1}, ZoneSize: ZoneField{4, 8}, ZoneCapacity: ZoneField{12, 8},
	Conventional: ZoneField{20, 4}, Zones: ZoneField{24, 4}, maxActive: ZoneField{28, 4},
	maxOpen: ZoneField{32, 4}, MaxAppend: ZoneField{36, 4}, appendUnit: 1,
	TableSize: ZoneField{40, 8}, TableOffset: ZoneField{48, 8},
}

var LayoutV11 = &ZoneLayout{
	Name: "v11", series: "v11 to v13", length: 48, TypeBit: 63, BigEndian: true, NeedsBit: true,
	powerOfTwo: true, sequential: true, appendBelow: true,
	Model: ZoneField{0, 1}, Zones: ZoneField{4, 4}, ZoneSize: ZoneField{8, 8},
	ZoneCapacity: ZoneField{16, 8}, Conventional: ZoneField{24, 4}, maxActive: ZoneField{28, 4},
	maxOpen: ZoneField{32, 4}, MaxAppend: ZoneField{36, 4}, appendUnit: 1,
	TableOffset: ZoneField{40, 8},
}

var LayoutV14 = &ZoneLayout{
	Name: "v14", series: "v14", length: 44, TypeBit: 63, BigEndian: true, NeedsBit: true,
	powerOfTwo: true, wholeClusters: true, sequential: true,
	Model: ZoneField{0, 1}, Zones: ZoneField{4, 4}, ZoneSize: ZoneField{8, 8},
	ZoneCapacity: ZoneField{16, 8}, TableOffset: ZoneField{24, 8}, Conventional: ZoneField{32, 4},
	maxActive: ZoneField{36, 4}, maxOpen: ZoneField{40, 4},
}

// Revisions are the layouts this program writes, as zone.revision names them.
var Revisions = writtenRevisions()

func writtenRevisions() []string {
	var names []string
	for _, l := range layouts {
		if !l.Conditioned {
			names = append(names, l.Name)
		}
	}
	return names
}

// LayoutNamed is nil for a name that no layout has.
func LayoutNamed(name string) *ZoneLayout {
	for _, l := range layouts {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// LayoutToWrite is the layout a zone.revision option asks for.
func LayoutToWrite(name string) (*ZoneLayout, error) {
	l := LayoutNamed(name)
	if l == nil || l.Conditioned {
		return nil, &OptionError{"zone.revision", name, "must be one of " + strings.Join(Revisions, ", ")}
	}
	return l, nil
}

// ByteOrder is the order of the words in tables this program makes.
func (l *ZoneLayout) ByteOrder() binary.ByteOrder {
	if l.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
