// SPDX-License-Identifier: Apache-2.0

package zoned

// makeRoom sees to it that z may be opened: if need be it closes the implicitly
// open zone that was written longest ago. False: there is none. The caller
// holds limits and z.mu.
func (d *Device) makeRoom(z *zone) bool {
	for d.openFull() {
		i, stamp := d.leastRecent()
		if stamp == 0 {
			// The slot of the last one may have come back just now.
			return !d.openFull()
		}
		d.evict(i, stamp, z)
	}
	return true
}

// evict closes zone i, last written at stamp, for a write that opens z, unless
// it was written or a slot given back meanwhile: neither needs limits.
//
// Both locks are held from the moment that counts as the time of that write.
// Otherwise somebody could see zone i open after it, or zone i closed before
// it, and a write in a third zone in between would be of the wrong age.
func (d *Device) evict(i uint32, stamp uint64, z *zone) {
	victim := &d.zones[i]
	victim.mu.Lock()
	defer victim.mu.Unlock()
	now := d.clock.Add(1)
	if victim.stamp.Load() == stamp && d.openFull() {
		z.stamp.Store(now)
		d.evicted(i)
		d.close(i, victim, cells[OpEvict][victim.cond])
	}
}

// leastRecent is the implicitly open zone that was written longest ago, and
// when; at 0 if there is none. On its way it drops those from the list that
// are not implicitly open any more.
func (d *Device) leastRecent() (zone uint32, stamp uint64) {
	for at := 0; at < len(d.implicit); {
		i := d.implicit[at]
		s := d.zones[i].stamp.Load()
		if s == 0 {
			d.unlist(at)
			continue
		}
		if stamp == 0 || s < stamp {
			zone, stamp = i, s
		}
		at++
	}
	return zone, stamp
}

func (d *Device) unlist(at int) {
	d.zones[d.implicit[at]].listed = false
	last := len(d.implicit) - 1
	d.implicit[at] = d.implicit[last]
	d.implicit = d.implicit[:last]
}

// list makes z, which has become implicitly open, a candidate for eviction.
func (d *Device) list(i uint32, z *zone) {
	if z.stamp.Load() == 0 {
		z.stamp.Store(d.clock.Add(1))
	}
	if !z.listed {
		z.listed = true
		d.implicit = append(d.implicit, i)
	}
}

// touch marks z, open and with its lock held, as the most recently written
// zone, if it may ever be evicted. The shared clock is left alone when z is
// that already.
func (d *Device) touch(z *zone) {
	if d.lim.MaxOpen == 0 || z.cond != ImplicitOpen || z.stamp.Load() == d.clock.Load() {
		return
	}
	z.stamp.Store(d.clock.Add(1))
}
