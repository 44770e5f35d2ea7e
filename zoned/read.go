// SPDX-License-Identifier: Apache-2.0

package zoned

// BeginRead asks to read n bytes at byte off of the disk, within one zone.
// Granted: the first readable bytes come from where they were written, the
// rest are zeros; then EndRead.
func (d *Device) BeginRead(op *Op, off, n uint64) (v Verdict, readable uint64, err error) {
	z, err := d.locate(op, OpRead, off, n)
	if err != nil {
		return Refused, 0, err
	}
	if d.geo.IsConventional(op.Zone) {
		if t := cells[OpRead][z.cond]; t.Refused != 0 {
			return Refused, 0, d.refusal(op, z, t.Refused, 0)
		}
		return Granted, n, nil
	}
	z.mu.Lock()
	v, readable, err = d.admitRead(z, op)
	z.mu.Unlock()
	return v, readable, err
}

// admitRead decides about a read of a sequential zone; z.mu is held.
func (d *Device) admitRead(z *zone, op *Op) (v Verdict, readable uint64, err error) {
	if t := cells[OpRead][z.cond]; t.Refused != 0 {
		return Refused, 0, d.refusal(op, z, t.Refused, 0)
	}
	if z.owner() != nil || z.crowded {
		d.park(op.Zone, z, op)
		return Parked, 0, nil
	}
	z.readers++
	at := min(op.Start-d.geo.Start(op.Zone), z.done)
	return Granted, min(op.Length, z.done-at), nil
}

// EndRead ends a granted read and returns the parked requests that can go on;
// op itself is not among them.
func (d *Device) EndRead(op *Op) *Op {
	if d.geo.IsConventional(op.Zone) {
		return nil
	}
	var out answers
	z := &d.zones[op.Zone]
	z.mu.Lock()
	z.readers--
	if z.readers == 0 {
		d.settle(op.Zone, z, &out)
	}
	z.mu.Unlock()
	return out.head
}
