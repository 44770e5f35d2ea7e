// SPDX-License-Identifier: Apache-2.0

package zoned

import "sync/atomic"

// CountTurns makes the device count, in n, the requests that it judges, and tell
// each its number (Op.Turn): under the lock that its verdict depends on, so that
// the order of turns is one in which the requests could have come one by one. A
// reset or finish counts when it ends. nil: no more. Reads are not counted.
func (d *Device) CountTurns(n *atomic.Uint64) { d.turns.Store(n) }

// turn tells op its number; a lock that the verdict depends on is held.
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
