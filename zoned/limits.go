package zoned

// take makes sure that the zone of op may move to condition next, closing
// another zone if it must; limits and z.mu are held. The slot itself is taken
// by setCondition.
func (d *Device) take(z *zone, op *Op, next Condition) error {
	if next.Active() && !z.cond.Active() && full(int64(d.active.Load()), d.lim.MaxActive) {
		return d.refusal(op, z, RuleActiveLimit, uint64(d.lim.MaxActive))
	}
	if next.Open() && !z.cond.Open() && full(int64(d.open.Load()), d.lim.MaxOpen) && !d.evict(op.Zone) {
		return d.refusal(op, z, RuleOpenLimit, uint64(d.lim.MaxOpen))
	}
	return nil
}

func full(n int64, limit uint32) bool { return limit != 0 && n >= int64(limit) }

// evict closes the implicitly open zone that was written longest ago. The
// caller holds limits and the lock of zone self, which is not open.
func (d *Device) evict(self uint32) bool {
	for {
		at := d.leastRecent()
		if at < 0 {
			return false
		}
		i := d.implicit[at]
		d.unlist(at)
		z := &d.zones[i]
		if i == self { // was open once and is still listed
			z.listed = false
			continue
		}
		z.mu.Lock()
		z.listed = false
		evicted := z.cond == ImplicitOpen
		if evicted {
			d.close(i, z, cells[OpEvict][z.cond])
		}
		z.mu.Unlock()
		if evicted {
			return true
		}
	}
}

// leastRecent is the place in implicit of the zone written longest ago.
func (d *Device) leastRecent() int {
	best, stamp := -1, uint64(0)
	for at, i := range d.implicit {
		if s := d.zones[i].stamp.Load(); best < 0 || s < stamp {
			best, stamp = at, s
		}
	}
	return best
}

func (d *Device) unlist(at int) {
	last := len(d.implicit) - 1
	d.implicit[at] = d.implicit[last]
	d.implicit = d.implicit[:last]
}

func (d *Device) list(i uint32, z *zone) {
	if !z.listed {
		z.listed = true
		d.implicit = append(d.implicit, i)
	}
}

// touch marks z as the most recently written zone. Without an open limit
// nobody asks, and the shared clock is left alone.
func (d *Device) touch(z *zone) {
	if d.lim.MaxOpen == 0 || z.stamp.Load() == d.clock.Load() {
		return
	}
	z.stamp.Store(d.clock.Add(1))
}

// close moves an open zone as t says: to Closed, or to Empty when nothing is
// written in it nor on its way.
func (d *Device) close(i uint32, z *zone, t Transition) {
	next := t.Next
	if z.done == 0 && z.inflight.empty() {
		next = t.EmptyNext
	}
	d.setCondition(i, z, next)
	d.changed(i, z)
}
