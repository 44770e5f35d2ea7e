// SPDX-License-Identifier: Apache-2.0

package zoned

import "fmt"

// Geometry is how a disk is cut into zones. All sizes are bytes.
// The last zone is shorter when Size is no multiple of ZoneSize.
type Geometry struct {
	Size         uint64 // of the disk
	ZoneSize     uint64 // distance between zone starts
	ZoneCapacity uint64 // usable bytes of a sequential zone, from its start
	Conventional uint32 // number of conventional zones; they come first
}

// maxBytes is the largest offset that Linux knows (loff_t). It also keeps the
// end of every zone within 64 bits.
const maxBytes = 1<<63 - 1

// Validate reports the first thing that makes the geometry no geometry.
func (g Geometry) Validate() error {
	switch {
	case g.Size == 0:
		return fmt.Errorf("disk size is 0: a zoned disk needs at least one zone")
	case g.ZoneSize == 0:
		return fmt.Errorf("zone size is 0: it must be larger than zero")
	case g.Size > maxBytes || g.ZoneSize > maxBytes:
		return fmt.Errorf("disk size %d, zone size %d: neither may pass 2^63-1 bytes", g.Size, g.ZoneSize)
	case g.ZoneCapacity == 0 || g.ZoneCapacity > g.ZoneSize:
		return fmt.Errorf("zone capacity %d: must be from 1 to the zone size, %d bytes", g.ZoneCapacity, g.ZoneSize)
	case (g.Size-1)/g.ZoneSize >= 1<<32-1:
		return fmt.Errorf("disk size %d: more than 2^32-1 zones of %d bytes", g.Size, g.ZoneSize)
	case g.Conventional > g.Zones():
		return fmt.Errorf("conventional zones %d: the disk has only %d zones", g.Conventional, g.Zones())
	}
	return nil
}

// Zones is the number of zones.
func (g Geometry) Zones() uint32 { return uint32((g.Size + g.ZoneSize - 1) / g.ZoneSize) }

// Start is the first byte of zone i.
func (g Geometry) Start(i uint32) uint64 { return uint64(i) * g.ZoneSize }

// Length is the size of zone i, in bytes.
func (g Geometry) Length(i uint32) uint64 { return min(g.ZoneSize, g.Size-g.Start(i)) }

// Capacity is the number of usable bytes of zone i.
func (g Geometry) Capacity(i uint32) uint64 {
	if g.IsConventional(i) {
		return g.Length(i)
	}
	return min(g.ZoneCapacity, g.Length(i))
}

// WritableEnd is the first byte of zone i that can't be written.
func (g Geometry) WritableEnd(i uint32) uint64 { return g.Start(i) + g.Capacity(i) }

// IsConventional reports whether zone i has no write pointer.
func (g Geometry) IsConventional(i uint32) bool { return i < g.Conventional }

// ZoneOf is the zone that holds byte off, which must be below Size.
func (g Geometry) ZoneOf(off uint64) uint32 { return uint32(off / g.ZoneSize) }

// Rest is the condition of sequential zone i that has its write pointer at
// byte wp of the disk and nobody who opened it.
func (g Geometry) Rest(i uint32, wp uint64) Condition {
	switch {
	case g.IsConventional(i):
		return NotWP
	case wp == g.Start(i):
		return Empty
	case wp >= g.WritableEnd(i):
		return Full
	}
	return Closed
}
