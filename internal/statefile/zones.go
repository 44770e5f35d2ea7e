// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"iter"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// resetting marks a zone whose reset has begun: its slot and its data change before
// its state does. SetZone takes the mark away.
const resetting = 1 << 63

// BeginReset publishes that the reset of a zone has begun.
func (s *File) BeginReset(i uint32) { s.zones[i].Or(resetting) }

// AbortReset publishes that it has failed, and the zone is what it was.
func (s *File) AbortReset(i uint32) { s.zones[i].And(^uint64(resetting)) }

// SetZone publishes the state of zone i.
func (s *File) SetZone(i uint32, z zoned.State) {
	sectors := (z.WP - s.geo.Start(i)) / ublk.SectorBytes
	s.zones[i].Store(sectors<<8 | uint64(z.Condition))
}

// Fill publishes the state of every zone.
func (s *File) Fill(d *zoned.Device) {
	for i := range s.zones {
		s.SetZone(uint32(i), d.State(uint32(i)))
	}
	s.filled().Store(1)
}

// Entries is the state of every zone as it was published last. saved returns the
// write pointer in a zone's slot of the image, nil if it has none: a zone whose
// reset has emptied its slot is empty.
func (s *File) Entries(saved func(zone uint32) uint64) iter.Seq[zoned.Entry] {
	return func(yield func(zoned.Entry) bool) {
		for i := range uint32(len(s.zones)) {
			w := s.zones[i].Load() &^ resetting
			e := zoned.Entry{WP: s.geo.Start(i) + w>>8*ublk.SectorBytes, Condition: zoned.Condition(w)}
			if saved != nil && s.Emptied(i, saved(i)) {
				e = zoned.Entry{WP: s.geo.Start(i)}
			}
			if !yield(e) {
				return
			}
		}
	}
}
