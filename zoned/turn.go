// SPDX-License-Identifier: Apache-2.0

package zoned

import "sync/atomic"

// CountTurns makes the device count, in n, the requests that it judges, and tell
// each its number (Op.Turn), so that the order of turns is one in which the
// requests could have come one by one. A reset, a finish, and a write that fills
// its zone count when they end: until then the zone has its slots. What its own
// zone refuses while such a write is under way has an earlier turn. nil: no
// more. Reads are not counted.
func (d *Device) CountTurns(n *atomic.Uint64) { d.turns.Store(n) }

// inTurn makes a request, or the end of one, the only one that is judged or that
// gives a slot back, as long as turns are counted: the verdict of one zone depends
// on the slots of the others. It reports whether order is to be unlocked, which
// comes before all other locks.
func (d *Device) inTurn() bool {
	if d.turns.Load() == nil {
		return false
	}
	d.order.Lock()
	return true
}

// turn tells op its number.
func (d *Device) turn(op *Op) {
	if n := d.turns.Load(); n != nil {
		op.Turn = n.Add(1)
	}
}

// Visit calls f with the state of each zone, under the zone's lock: as for an
// Observer.
func (d *Device) Visit(f func(zone uint32, s State)) {
	for i := range d.zones {
		d.visit(uint32(i), f)
	}
}

func (d *Device) visit(i uint32, f func(zone uint32, s State)) {
	z := &d.zones[i]
	z.mu.Lock()
	defer z.mu.Unlock()
	f(i, State{WP: d.geo.Start(i) + z.done, Condition: z.cond})
}
