// SPDX-License-Identifier: Apache-2.0

package zoned

// BeginWrite asks to write n bytes at byte off of the disk. Granted: write
// them, then EndWrite. A write of nothing to a sequential zone is Done when it
// would be allowed, and changes nothing.
func (d *Device) BeginWrite(op *Op, off, n uint64) (Verdict, error) {
	z, err := d.locate(op, OpWrite, off, n)
	if err != nil {
		return Refused, err
	}
	return d.beginWrite(z, op)
}

// BeginAppend asks to append n bytes to the zone that starts at byte off.
// Granted: write them at op.Start, then EndWrite.
func (d *Device) BeginAppend(op *Op, off, n uint64) (Verdict, error) {
	z, err := d.locateZone(op, OpAppend, off)
	if err != nil {
		return Refused, err
	}
	op.Length = n
	if d.lim.MaxAppend != 0 && n > d.lim.MaxAppend {
		return Refused, d.refusal(op, nil, RuleAppendSize, d.lim.MaxAppend)
	}
	return d.beginWrite(z, op)
}

func (d *Device) beginWrite(z *zone, op *Op) (Verdict, error) {
	if op.Kind == OpWrite && d.geo.IsConventional(op.Zone) && z.cond == NotWP {
		d.turn(op)
		return Granted, nil
	}
	if d.inTurn() {
		defer d.order.Unlock()
	}
	z.mu.Lock()
	if t := cells[op.Kind][z.cond]; t.Refused == 0 && t.Next != z.cond {
		// Slots are needed: take the locks in their order and look again.
		z.mu.Unlock()
		d.limits.Lock()
		defer d.limits.Unlock()
		z.mu.Lock()
	}
	v, err := d.admit(z, op)
	z.mu.Unlock()
	return v, err
}

// admit decides about a write; z.mu is held, and limits when the zone has to
// be opened for it.
func (d *Device) admit(z *zone, op *Op) (Verdict, error) {
	if z.owner() != nil || z.draining || z.crowded {
		d.park(op.Zone, z, op)
		return Parked, nil
	}
	d.turn(op)
	t := cells[op.Kind][z.cond]
	if t.Refused != 0 {
		return Refused, d.refusal(op, z, t.Refused, 0)
	}
	if err := d.place(z, op); err != nil {
		return Refused, err
	}
	if op.Length == 0 {
		return Done, nil
	}
	if t.Next == z.cond {
		d.touch(z)
	} else {
		if err := d.take(z, op, t.Next); err != nil {
			return Refused, err
		}
		d.setCondition(op.Zone, z, t.Next)
		d.changed(op.Zone, z)
	}
	d.written(op)
	z.wp += op.Length
	z.inflight.push(op)
	return Granted, nil
}

// place checks a write against write pointer and capacity, and gives an append
// its place.
func (d *Device) place(z *zone, op *Op) error {
	wp := d.geo.Start(op.Zone) + z.wp
	switch {
	case op.Kind == OpAppend:
		if op.Length > d.geo.WritableEnd(op.Zone)-wp {
			return d.refusal(op, z, RuleCapacity, d.geo.Capacity(op.Zone))
		}
		op.Start = wp
	case op.Start != wp:
		return d.refusal(op, z, RuleWritePointer, 0)
	case op.Length > d.geo.WritableEnd(op.Zone)-wp:
		return d.refusal(op, z, RuleCapacity, d.geo.Capacity(op.Zone))
	}
	return nil
}

// EndWrite says how the I/O of a granted write or append went. The list it
// returns holds every request that can go on now: op itself, unless a write
// below it has not ended yet, those that waited for it, and parked ones.
func (d *Device) EndWrite(op *Op, err error) *Op {
	var out answers
	if d.geo.IsConventional(op.Zone) {
		out.end(op, err)
		return out.head
	}
	if d.inTurn() {
		defer d.order.Unlock()
	}
	z := &d.zones[op.Zone]
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case err != nil || op.aborted:
		d.fail(z, op, err, &out)
	default:
		op.landed = true
	}
	d.advance(z, op.Zone, &out)
	d.settle(op.Zone, z, &out)
	return out.head
}

// fail takes op out of flight and gives up everything above it: what has
// landed there is answered now, the rest when its own I/O has ended.
func (d *Device) fail(z *zone, op *Op, err error, out *answers) {
	z.draining, z.wp = true, z.done
	var keep opList
	above := false
	for !z.inflight.empty() {
		o := z.inflight.pop()
		switch {
		case o == op:
			above = !op.aborted
			if err == nil {
				err = d.refusal(o, z, abortRule(z), 0)
			}
			out.add(o, Failed, err)
		case above && o.landed:
			out.add(o, Failed, d.refusal(o, z, abortRule(z), 0))
		default:
			o.aborted = o.aborted || above
			keep.push(o)
		}
	}
	z.inflight = keep
}

// advance acknowledges the writes at the bottom that have landed.
func (d *Device) advance(z *zone, i uint32, out *answers) {
	before := z.done
	var last *Op
	for o := z.inflight.first(); o != nil && o.landed; o = z.inflight.first() {
		z.inflight.pop()
		z.done += o.Length
		last = o
		d.acknowledged(i, o)
		out.add(o, Acknowledged, nil)
	}
	if z.done == before {
		return
	}
	if z.done == d.geo.Capacity(i) {
		d.turn(last)
		d.setCondition(i, z, cells[OpFill][z.cond].Next)
	}
	d.changed(i, z)
}
