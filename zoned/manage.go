// SPDX-License-Identifier: Apache-2.0

package zoned

// BeginOpen explicitly opens the zone that starts at byte off. It needs no
// I/O: the verdict is Done, Parked or Refused.
func (d *Device) BeginOpen(op *Op, off uint64) (Verdict, error) {
	z, err := d.locateZone(op, OpOpen, off)
	if err != nil {
		return Refused, err
	}
	if d.inTurn() {
		defer d.order.Unlock()
	}
	d.limits.Lock()
	defer d.limits.Unlock()
	z.mu.Lock()
	defer z.mu.Unlock()
	d.turn(op)
	t := cells[OpOpen][z.cond]
	switch {
	case z.owner() != nil:
		d.park(op.Zone, z, op)
		return Parked, nil
	case t.Refused != 0:
		return Refused, d.refusal(op, z, t.Refused, 0)
	case t.Next == z.cond:
		return Done, nil
	}
	if err := d.take(z, op, t.Next); err != nil {
		return Refused, err
	}
	d.setCondition(op.Zone, z, t.Next)
	d.changed(op.Zone, z)
	return Done, nil
}

// BeginClose closes the zone that starts at byte off, once the writes in
// flight in it have ended. The verdict is Done, Parked or Refused.
func (d *Device) BeginClose(op *Op, off uint64) (Verdict, error) {
	z, err := d.locateZone(op, OpClose, off)
	if err != nil {
		return Refused, err
	}
	if d.inTurn() {
		defer d.order.Unlock()
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	d.turn(op)
	t := cells[OpClose][z.cond]
	switch {
	case !z.inflight.empty(): // its owner is there, too
		d.park(op.Zone, z, op)
		return Parked, nil
	case t.Refused != 0:
		return Refused, d.refusal(op, z, t.Refused, 0)
	case t.Next != z.cond:
		d.close(op.Zone, z, t)
	}
	return Done, nil
}

// BeginReset asks to empty the zone that starts at byte off. Granted: the zone
// is the caller's alone; make the reset durable, then EndReset.
func (d *Device) BeginReset(op *Op, off uint64) (Verdict, error) {
	return d.beginOwned(op, OpReset, off)
}

// BeginFinish asks to fill the zone that starts at byte off. Granted: the zone
// is the caller's alone; make its unwritten tail zeros, durably, then EndFinish.
func (d *Device) BeginFinish(op *Op, off uint64) (Verdict, error) {
	return d.beginOwned(op, OpFinish, off)
}

func (d *Device) beginOwned(op *Op, kind Operation, off uint64) (Verdict, error) {
	z, err := d.locateZone(op, kind, off)
	if err != nil {
		return Refused, err
	}
	if d.inTurn() {
		defer d.order.Unlock()
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	d.turn(op)
	t := cells[kind][z.cond]
	switch {
	case !z.idle():
		d.park(op.Zone, z, op)
		return Parked, nil
	case t.Refused != 0:
		return Refused, d.refusal(op, z, t.Refused, 0)
	case t.Next == z.cond:
		return Done, nil
	}
	z.own(op)
	return Granted, nil
}

// EndReset ends a granted reset or reset of all zones; with an error the zones
// stay as they are. It returns op and the parked requests that can go on. A
// reset of all zones that came back with outcome Retry may be given up by it.
func (d *Device) EndReset(op *Op, err error) *Op {
	if d.inTurn() {
		defer d.order.Unlock()
	}
	var out answers
	out.end(op, err)
	if !op.all {
		d.endOwned(op.Zone, op, err, &out)
		return out.head
	}
	for i := d.geo.Conventional; i < op.upto; i++ {
		d.endOwned(i, op, err, &out)
	}
	return out.head
}

// EndFinish ends a granted finish, as EndReset.
func (d *Device) EndFinish(op *Op, err error) *Op {
	if d.inTurn() {
		defer d.order.Unlock()
	}
	var out answers
	out.end(op, err)
	d.endOwned(op.Zone, op, err, &out)
	return out.head
}

// endOwned gives zone i back if op has it.
func (d *Device) endOwned(i uint32, op *Op, err error, out *answers) {
	z := &d.zones[i]
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.owner() != op {
		return
	}
	z.disown()
	if !op.ended { // of all zones the first: the others are its own until their turn
		op.ended = true
		d.turn(op)
	}
	if err == nil {
		d.ended(i, op.Kind)
		z.done = 0
		if op.Kind == OpFinish {
			z.done = d.geo.Capacity(i)
		}
		d.setCondition(i, z, cells[op.Kind][z.cond].Next)
		d.changed(i, z)
	}
	d.settle(i, z, out)
}

// BeginResetAll asks to empty every sequential zone that is not read-only or
// offline. Granted: those of Owned are the caller's alone; make their reset
// durable, then EndReset. Zones are taken in order, so two of these can't wait
// for each other.
func (d *Device) BeginResetAll(op *Op) (Verdict, error) {
	if !op.all || op.Outcome != Retry {
		op.upto = d.geo.Conventional
	}
	op.Kind, op.all, op.Zone, op.Start, op.Length, op.ended = OpReset, true, 0, 0, 0, false
	op.Outcome, op.Err = Pending, nil
	for ; op.upto < d.geo.Zones(); op.upto++ {
		if !d.own(op, op.upto) {
			return Parked, nil
		}
	}
	if len(d.Owned(op)) == 0 {
		d.turn(op)
		return Done, nil
	}
	return Granted, nil
}

// own takes zone i for op if a reset changes it; false: op waits for it.
func (d *Device) own(op *Op, i uint32) bool {
	z := &d.zones[i]
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.idle() {
		d.park(i, z, op)
		return false
	}
	if t := cells[OpReset][z.cond]; t.Refused == 0 && t.Next != z.cond {
		z.own(op)
	}
	return true
}

// Owned lists the zones that a granted reset or finish has for itself.
func (d *Device) Owned(op *Op) []uint32 {
	if !op.all {
		return []uint32{op.Zone}
	}
	var own []uint32
	for i := d.geo.Conventional; i < op.upto; i++ {
		z := &d.zones[i]
		z.mu.Lock()
		if z.owner() == op {
			own = append(own, i)
		}
		z.mu.Unlock()
	}
	return own
}
