// SPDX-License-Identifier: Apache-2.0

package zoned

// Counts are what has been done to a sequential zone.
type Counts struct {
	Resets    uint64 // that emptied it
	Finishes  uint64 // that made it full
	Bytes     uint64 // written and acknowledged, appended ones too
	Appends   uint64 // acknowledged
	Evictions uint64 // times it was closed because its open slot was needed elsewhere
}

// KeepCounts makes the device count on from all, before the first request. An
// Observer hears of a zone after it was counted.
func (d *Device) KeepCounts(all []Counts) { d.counts = all }

// Counts are those of zone i, if they are kept.
func (d *Device) Counts(i uint32) Counts {
	z := &d.zones[i]
	z.mu.Lock()
	defer z.mu.Unlock()
	return d.counts[i]
}

// ended counts a reset or finish of zone i, whose lock is held.
func (d *Device) ended(i uint32, kind Operation) {
	switch {
	case d.counts == nil:
	case kind == OpFinish:
		d.counts[i].Finishes++
	default:
		d.counts[i].Resets++
	}
}

// acknowledged counts a write or append, under the lock of its zone.
func (d *Device) acknowledged(i uint32, o *Op) {
	if d.counts == nil {
		return
	}
	d.counts[i].Bytes += o.Length
	if o.Kind == OpAppend {
		d.counts[i].Appends++
	}
}

// evicted counts that zone i, whose lock is held, had to give up its slot.
func (d *Device) evicted(i uint32) {
	if d.counts != nil {
		d.counts[i].Evictions++
	}
}
