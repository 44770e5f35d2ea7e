// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// savedPointers are the write pointers that the zone table of an image holds, in 4
// bytes each: zones of the kernel have less than 2^32 sectors.
type savedPointers struct {
	geo     zoned.Geometry
	sectors []uint32 // 512-byte sectors from the zone's start; none of a plain image
}

// newSavedPointers returns the pointers of an image, none read yet.
func newSavedPointers(img *qcow2.Image) (savedPointers, error) {
	p := savedPointers{geo: Geometry(img)}
	z := img.Zoned()
	if z == nil {
		return p, nil
	}
	if z.ZoneSize/ublk.SectorBytes > maxZoneSectors {
		return p, errTooLarge(z)
	}
	p.sectors = make([]uint32, z.Zones)
	return p, nil
}

func (p *savedPointers) read(img *qcow2.Image) error {
	return img.EachZone(func(zone uint32, e format.ZoneEntry) error {
		p.set(zone, e.WP)
		return nil
	})
}

// get returns a zone's saved write pointer, a byte of the disk.
func (p *savedPointers) get(zone uint32) uint64 {
	return p.geo.Start(zone) + uint64(p.sectors[zone])*ublk.SectorBytes
}

// slot returns get, nil if the image has no zone table.
func (p *savedPointers) slot() func(zone uint32) uint64 {
	if len(p.sectors) == 0 {
		return nil
	}
	return p.get
}

// set changes the write pointer of a zone to wp, a byte of the disk.
func (p *savedPointers) set(zone uint32, wp uint64) {
	p.sectors[zone] = p.sectorsTo(zone, wp)
}

// sectorsTo returns a write pointer in the form in which it is kept.
func (p *savedPointers) sectorsTo(zone uint32, wp uint64) uint32 {
	return uint32((wp - p.geo.Start(zone)) / ublk.SectorBytes)
}

// sum returns a number that tells sets of write pointers apart.
func (p *savedPointers) sum() (sum uint64) {
	for i, sectors := range p.sectors {
		sum ^= mixed(uint32(i), sectors)
	}
	return sum
}

// mixed returns what a zone's write pointer adds to a sum (the finalizer of SplitMix64).
func mixed(zone, sectors uint32) uint64 {
	x := (uint64(zone)<<32 | uint64(sectors)) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
