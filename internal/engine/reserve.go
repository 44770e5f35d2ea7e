// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"sync/atomic"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// reserveWindow is the host space, in bytes, that is taken at once ahead of a
// write pointer. A write into a hole of the image file makes its file system
// find and record space for it, and keeps the kernel from doing it on the
// queue's thread; a window makes that one call for many writes. It is also
// what a zone being written may hold of the host's disk in vain.
const reserveWindow = 4 << 20

// aheadMax bounds, in bytes and in clusters, the space taken for a sequential
// zone at once ahead of its write pointer: a run costs one barrier.
const (
	aheadMax         = 64 << 20
	aheadMaxClusters = 8192
)

// reserve knows up to where host space has been taken for each sequential zone.
// Conventional ones are written in any order and get theirs as they need it.
type reserve struct {
	geo  zoned.Geometry
	upto []atomic.Uint32 // 512-byte sectors from the zone's start
}

func newReserve(geo zoned.Geometry) *reserve {
	return &reserve{geo: geo, upto: make([]atomic.Uint32, geo.Zones())}
}

// short reports whether a write of zone i up to byte end of the disk needs space that
// is not known to be there.
func (r *reserve) short(i uint32, end uint64) bool {
	return !r.geo.IsConventional(i) && r.geo.Start(i)+uint64(r.upto[i].Load())*ublk.SectorBytes < end
}

// extend notes that there is space for zone i up to byte end of the disk.
func (r *reserve) extend(i uint32, end uint64) {
	r.upto[i].Store(uint32((end - r.geo.Start(i)) / ublk.SectorBytes))
}

// forget notes that the space of zone i has been given back.
func (r *reserve) forget(i uint32) { r.upto[i].Store(0) }

// ensure takes space for n bytes at off, and ahead of them what the zone will
// need next, if that is known.
func (d *Disk) ensure(off, n uint64) error {
	zone := d.geo.ZoneOf(off)
	most := max(min(aheadMax, aheadMaxClusters*d.img.ClusterSize()), n)
	if d.geo.IsConventional(zone) {
		most = d.streams.ahead(off, n, d.img.ClusterSize())
	}
	return d.img.Ensure(off, n, min(most, d.geo.WritableEnd(zone)-off-n))
}

// reserveAhead takes space in the image and in the host's file system for n
// bytes at off of a zone, and for some that follow.
func (d *Disk) reserveAhead(zone uint32, off, n uint64) error {
	if err := d.ensure(off, n); err != nil {
		return err
	}
	end := min(off+n+reserveWindow, d.geo.WritableEnd(zone))
	d.ahead.extend(zone, max(d.reserveRange(off, end), off+n))
	return nil
}

// reserveRange takes host space for a range as far as it is mapped, and
// returns up to where. It is a favour, not a need: a full file system, or one
// that has no such call, shows when the data is written.
func (d *Disk) reserveRange(off, end uint64) uint64 {
	for off < end {
		e := d.img.Lookup(off, end-off)
		if e.Kind != qcow2.Data {
			break
		}
		err := d.file.Reserve(int64(e.Host), int64(e.Len))
		if errors.Is(err, storage.ErrNotSupported) {
			return end
		}
		if err != nil {
			break
		}
		off += e.Len
	}
	return off
}
