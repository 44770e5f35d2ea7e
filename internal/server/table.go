package server

import (
	"sync"

	"zqublkd/qcow2"
	"zqublkd/zoned"
)

// table orders what becomes durable: data and tables of the image first, then
// the zone-table slots that make it visible. Whoever writes a slot holds mu.
type table struct {
	mu    sync.Mutex
	ahead *reserve
	img   *qcow2.Image
	zones *zoned.Device
	stale *tracker
	saved []uint64 // what each zone's slot holds, bytes of the disk
}

// newTable is the table of a disk whose slots hold what entries say.
func newTable(img *qcow2.Image, zones *zoned.Device, stale *tracker, ahead *reserve, entries []qcow2.ZoneEntry) *table {
	t := &table{img: img, ahead: ahead, zones: zones, stale: stale, saved: make([]uint64, len(entries))}
	for i, e := range entries {
		t.saved[i] = e.WP
	}
	return t
}

// flush makes everything acknowledged so far durable, with the write pointers
// that make it visible: two barriers, or one when no write pointer has moved.
func (t *table) flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var slots []qcow2.ZoneSlot
	// The values must be older than the barrier below: a write acknowledged
	// after it has its data nowhere safe yet.
	t.stale.take(func(i uint32) {
		if wp := t.zones.State(i).WP; len(t.saved) > 0 && wp != t.saved[i] {
			slots = append(slots, qcow2.ZoneSlot{Zone: i, WP: wp})
		}
	})
	err := t.img.Sync()
	if err == nil && len(slots) > 0 {
		err = t.writeSlots(slots)
	}
	if err != nil {
		for _, s := range slots {
			t.stale.mark(s.Zone)
		}
	}
	return err
}

// writeSlots writes zone-table slots, durably.
func (t *table) writeSlots(slots []qcow2.ZoneSlot) error {
	if err := t.img.WriteZoneSlots(slots); err != nil {
		return err
	}
	for _, s := range slots {
		t.saved[s.Zone] = s.WP
	}
	return t.img.Sync()
}

// reset makes the reset of zones durable and ends op, which owns them. The
// slots go first: from then on nothing in the zones can be read through us,
// whatever becomes of the host space, which is given back after.
func (t *table) reset(op *zoned.Op) *zoned.Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.zones.Owned(op)
	geo := t.zones.Geometry()
	slots := make([]qcow2.ZoneSlot, len(own))
	for k, i := range own {
		slots[k] = qcow2.ZoneSlot{Zone: i, WP: geo.Start(i)}
	}
	if err := t.writeSlots(slots); err != nil {
		return t.zones.EndReset(op, err)
	}
	for _, i := range own {
		// Failing to give space back loses nothing: reads of an empty zone
		// never reach the file, and a finish makes its tail zeros itself.
		_ = t.img.MakeZero(geo.Start(i), geo.Length(i))
		if !geo.IsConventional(i) {
			t.ahead.forget(i)
		}
	}
	return t.zones.EndReset(op, nil)
}

// finish makes a full zone of the one that op owns and ends op. Its tail
// becomes readable, so it must be zeros before the slot says so.
func (t *table) finish(op *zoned.Op) *zoned.Op {
	geo := t.zones.Geometry()
	i := op.Zone
	wp, end := t.zones.State(i).WP, geo.WritableEnd(i)
	if err := t.img.MakeZero(wp, end-wp); err != nil {
		return t.zones.EndFinish(op, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.img.Sync(); err != nil {
		return t.zones.EndFinish(op, err)
	}
	if err := t.writeSlots([]qcow2.ZoneSlot{{Zone: i, WP: end}}); err != nil {
		return t.zones.EndFinish(op, err)
	}
	return t.zones.EndFinish(op, nil)
}
