// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"cmp"
	"slices"
	"sync"

	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// durability orders what becomes durable: data and tables of the image first, then
// the zone-table slots that make it visible. Whoever writes a slot holds mu.
type durability struct {
	mu    sync.Mutex
	ahead *reserve
	img   *qcow2.Image
	zones *zoned.Device
	stale *changedZones
	saved savedPointers // what the slots of the image hold
	sum   uint64        // of saved

	resets   map[uint32]bool // zones whose slots a reset has emptied, and that still show their old state
	counters zoneCounters

	part int // zones whose slot says they are part-written, which is active
}

// newDurability returns the order of a disk whose slots hold what is saved.
func newDurability(img *qcow2.Image, zones *zoned.Device, stale *changedZones, ahead *reserve,
	saved savedPointers) *durability {
	t := &durability{img: img, ahead: ahead, zones: zones, stale: stale, saved: saved, sum: saved.sum(),
		resets: map[uint32]bool{}}
	for i := range t.saved.sectors {
		t.part += t.partWritten(uint32(i), t.saved.get(uint32(i)))
	}
	return t
}

// partWritten returns 1 if a zone with that write pointer is active, else 0. A zone
// that is read-only or offline never is.
func (t *durability) partWritten(zone uint32, wp uint64) int {
	if t.zones.Geometry().Rest(zone, wp) != zoned.Closed {
		return 0
	}
	if c := t.zones.State(zone).Condition; c == zoned.ReadOnly || c == zoned.Offline {
		return 0
	}
	return 1
}

// flush makes everything acknowledged so far durable, with the write pointers
// that make it visible: two barriers, or one when no write pointer has moved.
func (t *durability) flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	// The values must be older than the barrier below: a write acknowledged
	// after it has its data nowhere safe yet.
	slots := t.moved(nil)
	for tries := 0; tries < 1000 && t.tooMany(slots); tries++ {
		slots = t.moved(slots) // while they were read one zone became full and another active
	}
	durable := false
	defer func() {
		for _, s := range slots {
			if !durable { // an error, or a panic
				t.stale.mark(s.Zone)
			}
		}
	}()
	t.counters.flush(t.stale.mark)
	err := t.img.Sync()
	if err == nil {
		err = t.writeInOrder(slots)
	}
	durable = err == nil
	return err
}

// tooMany reports whether more zones would be active on the disk with slots than
// may be.
func (t *durability) tooMany(slots []format.ZoneSlot) bool {
	return t.limit() > 0 && t.part+t.change(slots) > max(t.limit(), t.part)
}

// limit returns the number of zones that may be active, 0 for any.
func (t *durability) limit() int { return int(t.zones.Limits().MaxActive) }

// moved adds to slots those that have become stale since it was called last.
func (t *durability) moved(slots []format.ZoneSlot) []format.ZoneSlot {
	before := len(slots)
	t.stale.take(func(i uint32) {
		if t.img.Zoned() == nil || t.resets[i] {
			return
		}
		t.counters.changed(i)
		wp := t.zones.State(i).WP
		if k := slices.IndexFunc(slots[:before], func(s format.ZoneSlot) bool { return s.Zone == i }); k >= 0 {
			slots[k].WP = wp
		} else if wp != t.saved.get(i) {
			slots = append(slots, format.ZoneSlot{Zone: i, WP: wp})
		}
	})
	return slots
}

// change returns by how many the part-written zones become more with slots.
func (t *durability) change(slots []format.ZoneSlot) int {
	n := 0
	for _, s := range slots {
		n += t.partWritten(s.Zone, s.WP) - t.partWritten(s.Zone, t.saved.get(s.Zone))
	}
	return n
}

// writeInOrder writes slots so that at no moment more zones are active on the
// disk than may be: where that could be, those that make no zone active go
// first.
func (t *durability) writeInOrder(slots []format.ZoneSlot) error {
	slices.SortFunc(slots, func(a, b format.ZoneSlot) int { return cmp.Compare(a.Zone, b.Zone) })
	var begun, others []format.ZoneSlot
	for _, s := range slots {
		if t.change([]format.ZoneSlot{s}) > 0 {
			begun = append(begun, s)
		} else {
			others = append(others, s)
		}
	}
	if t.limit() > 0 && len(others) > 0 && t.part+len(begun) > t.limit() {
		if err := t.writeSlots(others); err != nil {
			return err
		}
		slots = begun
	}
	return t.writeSlots(slots)
}

// writeSlots writes zone-table slots, durably: all of them, or with an error that
// leaves the disk going on none.
func (t *durability) writeSlots(slots []format.ZoneSlot) error {
	if len(slots) == 0 {
		return nil
	}
	next := t.sum
	for _, s := range slots {
		next ^= mixed(s.Zone, t.saved.sectors[s.Zone]) ^ mixed(s.Zone, t.saved.sectorsTo(s.Zone, s.WP))
	}
	t.stale.state.SetSlots(t.sum, next)
	if err := t.img.ReplaceZoneSlots(slots, t.saved.get); err != nil {
		return err // perhaps some of them are there: the sums go on telling so
	}
	t.part += t.change(slots)
	for _, s := range slots {
		t.saved.set(s.Zone, s.WP)
	}
	t.sum = next
	t.stale.state.SetSlots(next, next)
	return t.img.Sync()
}

// reset makes the reset of zones durable and ends op, which owns them. The
// slots go first: from then on nothing in the zones can be read through us,
// whatever becomes of the host space, which is given back after. That may take
// long, and flushes go on meanwhile.
func (t *durability) reset(op *zoned.Op) *zoned.Op {
	own := t.zones.Owned(op)
	defer t.resetOver(own) // also after an error or a panic
	if err := t.emptySlots(own); err != nil {
		t.resetOver(own)
		return t.zones.EndReset(op, err)
	}
	geo := t.zones.Geometry()
	for _, i := range own {
		// Failing to give space back loses nothing: reads of an empty zone
		// never reach the file, and a finish makes its tail zeros itself.
		_ = t.img.MakeZero(geo.Start(i), geo.Length(i))
		if !geo.IsConventional(i) {
			t.ahead.forget(i)
		}
	}
	// What is written from here on is for flushes again.
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range own {
		delete(t.resets, i)
	}
	return t.zones.EndReset(op, nil)
}

// emptySlots writes the slots of zones that are reset, durably. Until their reset
// ends, a flush leaves them alone: what they show is no longer what they hold.
func (t *durability) emptySlots(own []uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slots := make([]format.ZoneSlot, len(own))
	for k, i := range own {
		slots[k] = format.ZoneSlot{Zone: i, WP: t.zones.Geometry().Start(i)}
		t.resets[i] = true
		t.counters.ahead(i, zoned.OpReset)
	}
	t.stale.resetting(own, true)
	return t.writeSlots(slots)
}

// resetOver hands zones whose reset has failed back to flushes.
func (t *durability) resetOver(own []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range own {
		if t.resets[i] {
			delete(t.resets, i)
			t.stale.resetting([]uint32{i}, false)
			t.stale.mark(i)
		}
	}
}

// finish makes a full zone of the one that op owns and ends op. Its tail
// becomes readable, so it must be zeros before the slot says so.
func (t *durability) finish(op *zoned.Op) *zoned.Op {
	geo := t.zones.Geometry()
	i := op.Zone
	wp, end := t.zones.State(i).WP, geo.WritableEnd(i)
	if err := t.img.MakeZero(wp, end-wp); err != nil {
		return t.zones.EndFinish(op, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counters.ahead(i, zoned.OpFinish)
	defer t.stale.mark(i)
	if err := t.img.Sync(); err != nil {
		return t.zones.EndFinish(op, err)
	}
	if err := t.writeSlots([]format.ZoneSlot{{Zone: i, WP: end}}); err != nil {
		return t.zones.EndFinish(op, err)
	}
	return t.zones.EndFinish(op, nil)
}
