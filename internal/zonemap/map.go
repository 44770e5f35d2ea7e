// SPDX-License-Identifier: Apache-2.0

package zonemap

import (
	"slices"

	"zqublkd/zoned"
)

// Map is what is to be drawn.
type Map struct {
	zones  []zoned.Info
	limits zoned.Limits
	marked map[int]bool
}

// New returns a map of zones, which begin at zone 0, and of the limits that they
// share.
func New(zones []zoned.Info, limits zoned.Limits) *Map {
	return &Map{zones: zones, limits: limits, marked: map[int]bool{}}
}

// Mark sets the zones apart that hold any of n bytes from byte off of the disk.
func (m *Map) Mark(off, n uint64) {
	for i := m.find(off); i < len(m.zones) && m.zones[i].Start < off+n; i++ {
		m.marked[i] = true
	}
}

// find returns the index of the zone that holds byte off, or how many there are.
func (m *Map) find(off uint64) int {
	i, _ := slices.BinarySearchFunc(m.zones, off, func(z zoned.Info, off uint64) int {
		switch {
		case z.Start+z.Length <= off:
			return -1
		case z.Start > off:
			return 1
		}
		return 0
	})
	return i
}

// Zones are the zones of the map.
func (m *Map) Zones() []zoned.Info { return m.zones }

// IsMarked reports whether zone i has been marked.
func (m *Map) IsMarked(i int) bool { return m.marked[i] }

// Marked lists the zones that have been marked, in order.
func (m *Map) Marked() []int {
	var list []int
	for i := range m.marked {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// cell is what one place of the picture shows: one zone or several.
type cell struct {
	zones     int
	condition zoned.Condition // the one of its zones' that is most worth seeing
	fill      float64         // part of the capacity that is written, 0 to 1
	marked    bool
}

// prominence orders conditions by how much one wants to see them where several
// zones share a cell.
var prominence = []zoned.Condition{
	zoned.NotWP, zoned.Empty, zoned.Full, zoned.Closed, zoned.ImplicitOpen, zoned.ExplicitOpen, zoned.ReadOnly,
	zoned.Offline,
}

// cells cuts the disk into cells of per zones.
func (m *Map) cells(per int) []cell {
	var list []cell
	for first := 0; first < len(m.zones); first += per {
		list = append(list, m.cellOf(first, min(first+per, len(m.zones))))
	}
	return list
}

func (m *Map) cellOf(first, end int) cell {
	c := cell{zones: end - first}
	most, written, capacity := -1, uint64(0), uint64(0)
	for i := first; i < end; i++ {
		z := m.zones[i]
		if p := slices.Index(prominence, z.Condition); p > most || most < 0 {
			most, c.condition = p, z.Condition
		}
		written, capacity = written+Written(z), capacity+z.Capacity
		c.marked = c.marked || m.marked[i]
	}
	if capacity > 0 {
		c.fill = float64(written) / float64(capacity)
	}
	return c
}

// Written returns how many bytes of a zone its write pointer covers: none of a
// conventional one, which has no write pointer.
func Written(z zoned.Info) uint64 {
	switch {
	case z.Condition == zoned.Full:
		return z.Capacity
	case z.Conventional, z.Condition == zoned.Empty, z.WP < z.Start:
		return 0
	}
	return min(z.WP-z.Start, z.Capacity)
}

// count returns how many zones are in each condition, and how many are open and
// active.
func (m *Map) count() (each map[zoned.Condition]int, open, active int) {
	each = map[zoned.Condition]int{}
	for _, z := range m.zones {
		each[z.Condition]++
		if z.Condition.Open() {
			open++
		}
		if z.Condition.Active() {
			active++
		}
	}
	return each, open, active
}
