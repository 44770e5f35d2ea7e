// SPDX-License-Identifier: Apache-2.0

package zoned

// SetCondition makes zone i ReadOnly or Offline, as a drive does on its own, or, with
// NotWP, what it is without that. Writes in flight fail when their I/O has ended. The
// list it returns holds the requests that can go on now. False: a reset or finish has
// the zone for itself, ask again when it has ended.
func (d *Device) SetCondition(i uint32, c Condition) (list *Op, ok bool) {
	d.limits.Lock() // a zone that comes back may be active
	defer d.limits.Unlock()
	z := &d.zones[i]
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.owner() != nil {
		return nil, false
	}
	if c == NotWP {
		if c = z.cond; c == ReadOnly || c == Offline {
			c = d.geo.Rest(i, d.geo.Start(i)+z.done)
		}
	}
	if c == z.cond {
		return nil, true
	}
	d.setCondition(i, z, c)
	var out answers
	d.abort(z, &out)
	d.changed(i, z)
	d.settle(i, z, &out)
	return out.head, true
}

// abort gives up all writes in flight: those that have landed are answered now.
func (d *Device) abort(z *zone, out *answers) {
	var keep opList
	for !z.inflight.empty() {
		o := z.inflight.pop()
		if o.landed {
			out.add(o, Failed, d.refusal(o, z, abortRule(z), 0))
			continue
		}
		o.aborted = true
		keep.push(o)
	}
	z.inflight = keep
	z.draining, z.wp = !keep.empty(), z.done
}

// abortRule is what a write that was given up has broken.
func abortRule(z *zone) Rule {
	switch z.cond {
	case ReadOnly:
		return RuleReadOnly
	case Offline:
		return RuleOffline
	}
	return RuleAborted
}
