// SPDX-License-Identifier: Apache-2.0

package zoned

// take makes sure that the zone of op may move to condition next, closing
// another zone if it must; limits and z.mu are held. The slot itself is taken
// by setCondition.
func (d *Device) take(z *zone, op *Op, next Condition) error {
	if next.Active() && !z.cond.Active() && full(d.active.Load(), d.lim.MaxActive) {
		return d.overLimit(op, z, RuleActiveLimit, d.lim.MaxActive)
	}
	if next.Open() && !z.cond.Open() && !d.makeRoom(z) {
		return d.overLimit(op, z, RuleOpenLimit, d.lim.MaxOpen)
	}
	return nil
}

func (d *Device) openFull() bool { return full(d.open.Load(), d.lim.MaxOpen) }

func full(n int64, limit uint32) bool { return limit != 0 && n >= int64(limit) }

// close moves an open zone as t says: to Closed, or to Empty when nothing is
// written in it nor on its way.
func (d *Device) close(i uint32, z *zone, t Transition) {
	next := t.Next
	if z.done == 0 && !z.writing() {
		next = t.EmptyNext
	}
	d.setCondition(i, z, next)
	d.changed(i, z)
}
