// SPDX-License-Identifier: Apache-2.0

package zoned

// Info is one zone of a report. Offsets are bytes of the disk.
type Info struct {
	Start, Length, Capacity uint64
	WP                      uint64 // conventional: the zone's start
	Condition               Condition
	Conventional            bool
}

// Info reports zone i, which must exist.
func (d *Device) Info(i uint32) Info {
	s := d.State(i)
	return Info{
		Start: d.geo.Start(i), Length: d.geo.Length(i), Capacity: d.geo.Capacity(i),
		WP: s.WP, Condition: s.Condition, Conventional: d.geo.IsConventional(i),
	}
}

// Report lists up to n zones from the one that holds byte off; fewer when the
// disk ends, none when off lies outside it or n is not positive.
func (d *Device) Report(off uint64, n int) []Info {
	if off >= d.geo.Size {
		return nil
	}
	first := d.geo.ZoneOf(off)
	n = min(max(n, 0), int(d.geo.Zones()-first))
	infos := make([]Info, n)
	for k := range infos {
		infos[k] = d.Info(first + uint32(k))
	}
	return infos
}
