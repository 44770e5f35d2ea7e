// SPDX-License-Identifier: Apache-2.0

package zoned

import (
	"fmt"
	"unsafe"
)

// ZoneBytes is what one zone costs in memory.
const ZoneBytes = unsafe.Sizeof(zone{})

// Rules lists every rule.
func Rules() []Rule {
	var all []Rule
	for r := Rule(1); r < numRules; r++ {
		all = append(all, r)
	}
	return all
}

// Operations lists every operation.
func Operations() []Operation {
	var all []Operation
	for o := Operation(0); o < numOperations; o++ {
		all = append(all, o)
	}
	return all
}

// Listed is how many zones an eviction would look at.
func (d *Device) Listed() int { return len(d.implicit) }

// Stamp is when zone i was last written, as eviction sees it.
func (d *Device) Stamp(i uint32) uint64 { return d.zones[i].stamp.Load() }

// HoldLimits keeps everybody from taking a slot until release is called.
func (d *Device) HoldLimits() (release func()) {
	d.limits.Lock()
	return d.limits.Unlock
}

// Check looks for broken invariants while no call is being made.
func (d *Device) Check() error {
	if !d.limits.TryLock() {
		return fmt.Errorf("limits are locked")
	}
	defer d.limits.Unlock()
	var open, active, implicit int
	for i := range d.zones {
		z := &d.zones[i]
		if !z.mu.TryLock() {
			return fmt.Errorf("zone %d is locked", i)
		}
		err := d.checkZone(uint32(i), z)
		z.mu.Unlock()
		if err != nil {
			return fmt.Errorf("zone %d (%s, done %d, wp %d): %w", i, z.cond, z.done, z.wp, err)
		}
		open += count(z.cond == ImplicitOpen || z.cond == ExplicitOpen)
		active += count(z.cond == ImplicitOpen || z.cond == ExplicitOpen || z.cond == Closed)
		implicit += count(z.cond == ImplicitOpen)
	}
	if open != d.Open() || active != d.Active() || implicit != d.ImplicitOpen() {
		return fmt.Errorf("%d open, %d active, %d implicitly open zones are counted as %d, %d, %d",
			open, active, implicit, d.Open(), d.Active(), d.ImplicitOpen())
	}
	if d.lim.MaxOpen != 0 && open > int(d.lim.MaxOpen) {
		return fmt.Errorf("%d open zones, %d allowed", open, d.lim.MaxOpen)
	}
	return d.checkList()
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *Device) checkZone(i uint32, z *zone) error {
	if err := d.checkCondition(i, z); err != nil {
		return err
	}
	if err := d.checkInflight(i, z); err != nil {
		return err
	}
	waiting := d.parked.of[i]
	switch {
	case z.readers < owned:
		return fmt.Errorf("%d readers", z.readers)
	case z.readers == owned && z.owner() == nil:
		return fmt.Errorf("owned by nobody")
	case z.crowded == waiting.empty():
		return fmt.Errorf("%d requests are parked, the zone says %v", len(waiting.ops()), z.crowded)
	case z.crowded && z.free():
		return fmt.Errorf("requests are parked, and nothing will wake them")
	case (z.stamp.Load() != 0) != (z.cond == ImplicitOpen && d.lim.MaxOpen != 0):
		return fmt.Errorf("stamp %d", z.stamp.Load())
	case z.stamp.Load() > d.clock.Load():
		return fmt.Errorf("stamp %d is ahead of the clock, %d", z.stamp.Load(), d.clock.Load())
	case z.stamp.Load() != 0 && !z.listed:
		return fmt.Errorf("not listed for eviction")
	}
	return nil
}

// checkCondition holds the condition against what has been written.
func (d *Device) checkCondition(i uint32, z *zone) error {
	full := z.done == d.geo.Capacity(i)
	bad := false
	switch z.cond {
	case NotWP:
		bad = !d.geo.IsConventional(i) || z.done != 0
	case Empty:
		bad = z.done != 0 || z.writing()
	case Closed:
		bad = full || z.done == 0 && !z.writing()
	case ImplicitOpen, ExplicitOpen:
		bad = full
	case Full:
		bad = !full || z.writing()
	}
	if bad || z.cond != NotWP && z.cond != ReadOnly && z.cond != Offline && d.geo.IsConventional(i) {
		return fmt.Errorf("condition contradicts the data")
	}
	return nil
}

// checkInflight holds the writes in flight against the two write pointers.
func (d *Device) checkInflight(i uint32, z *zone) error {
	end, aborted := d.geo.Start(i)+z.done, false
	for k, o := range z.writes() {
		switch {
		case o.Start != end && !(z.draining && o.aborted):
			return fmt.Errorf("write at %d in flight, want it at %d", o.Start, end)
		case k == 0 && o.landed:
			return fmt.Errorf("the lowest write has landed and is not acknowledged")
		case o.landed && o.aborted:
			return fmt.Errorf("write at %d has landed and is given up", o.Start)
		case aborted && !o.aborted:
			return fmt.Errorf("write at %d is above one that is given up", o.Start)
		}
		aborted = o.aborted
		end = o.Start + o.Length
	}
	switch {
	case aborted && !z.draining:
		return fmt.Errorf("writes are given up, but new ones are let in")
	case z.draining && !z.writing():
		return fmt.Errorf("draining with nothing in flight")
	case !z.draining && end != d.geo.Start(i)+z.wp:
		return fmt.Errorf("writes in flight end at %d", end)
	case end > d.geo.WritableEnd(i):
		return fmt.Errorf("writes in flight end at %d, past the capacity", end)
	}
	return nil
}

func (d *Device) checkList() error {
	seen := map[uint32]bool{}
	for _, i := range d.implicit {
		if seen[i] || !d.zones[i].listed {
			return fmt.Errorf("zone %d is listed twice or does not know that it is", i)
		}
		seen[i] = true
	}
	for i := range d.zones {
		if d.zones[i].listed && !seen[uint32(i)] {
			return fmt.Errorf("zone %d thinks that it is listed", i)
		}
	}
	return nil
}

// writes lists those in flight.
func (z *zone) writes() []*Op {
	if !z.writing() {
		return nil
	}
	return z.inflight.ops()
}

func (l *opList) ops() []*Op {
	var all []*Op
	for o := l.first(); o != nil; o = o.next {
		all = append(all, o)
		if o == l.last {
			return all
		}
		if len(all) > 10_000 {
			panic("a list without an end")
		}
	}
	return all
}

// HoldersListed is how many zones are looked at to find those with slots.
func (d *Device) HoldersListed() int { return len(d.holders.list) }

// HoldZone keeps everybody else from zone i until release is called.
func (d *Device) HoldZone(i uint32) (release func()) {
	d.zones[i].mu.Lock()
	return d.zones[i].mu.Unlock
}
