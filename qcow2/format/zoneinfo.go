// SPDX-License-Identifier: Apache-2.0

package format

// ZoneLimits are the resource limits of a zoned image; 0 is no limit.
type ZoneLimits struct {
	MaxOpen        uint32 // zones
	MaxActive      uint32 // zones
	MaxAppendBytes uint32 // bytes
}

// ZonedInfo describes the zones of an image. Sizes and offsets are bytes. The
// embedded limits are those in force, after the clamping QEMU does on open;
// Stored is what the file says.
type ZonedInfo struct {
	Revision     string // layout name: "v3", "v6", "v8", "v11", "v14"
	ZoneSize     uint64
	ZoneCapacity uint64
	Conventional uint32 // zones, the first ones
	Zones        uint32 // the last one may be shorter than ZoneSize
	ZoneLimits
	Stored      ZoneLimits
	TableOffset uint64 // byte offset of the zone table in the file
	BigEndian   bool   // byte order of the zone table
	VirtualSize uint64
}

// Series names the revisions of QEMU's zoned-qcow2 patches that use the layout:
// "v5 to v7". Patches of other revisions refuse the image, as a released QEMU
// does.
func (z *ZonedInfo) Series() string { return LayoutNamed(z.Revision).series }

// NewZonedInfo is what an extension says of a disk of size bytes.
func NewZonedInfo(l *ZoneLayout, x ZoneExtension, virtualSize uint64) *ZonedInfo {
	z := &ZonedInfo{
		Revision:     l.Name,
		ZoneSize:     x.ZoneSize,
		ZoneCapacity: x.ZoneCapacity,
		Conventional: x.Conventional,
		Zones:        x.Zones,
		Stored:       ZoneLimits{x.MaxOpen, x.MaxActive, x.MaxAppendBytes},
		TableOffset:  x.TableOffset,
		BigEndian:    l.BigEndian,
		VirtualSize:  virtualSize,
	}
	z.ZoneLimits = z.clamped()
	return z
}

// clamped applies QEMU's rules: active <= zones, open <= active, open <=
// sequential zones. The file keeps what it has.
func (z *ZonedInfo) clamped() ZoneLimits {
	l := z.Stored
	l.MaxActive = min(l.MaxActive, z.Zones)
	if l.MaxActive != 0 {
		l.MaxOpen = min(l.MaxOpen, l.MaxActive)
	}
	if sequential := z.Zones - z.Conventional; sequential != 0 {
		l.MaxOpen = min(l.MaxOpen, sequential)
	}
	return l
}

// ZoneStart is the first byte of zone i on the virtual disk.
func (z *ZonedInfo) ZoneStart(i uint32) uint64 { return uint64(i) * z.ZoneSize }

// WritableEnd is the first byte of zone i that can't be written: its start plus
// the capacity, or the end of the disk in a short last zone.
func (z *ZonedInfo) WritableEnd(i uint32) uint64 {
	return min(z.ZoneStart(i)+z.ZoneCapacity, z.VirtualSize)
}

// TableSize is the length of the zone table in bytes.
func (z *ZonedInfo) TableSize() uint64 { return uint64(z.Zones) * ZoneEntrySize }
