// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// ErrPowerCut is the answer to all requests of a disk whose power was cut.
var ErrPowerCut = errors.New("the power was cut (zqublkd powercut): delete the device and add its image again")

// Cut says what a power cut leaves of the sequential zones.
type Cut struct {
	Seed uint64 `json:"seed"`
	Lose bool   `json:"lose"` // all that no flush has covered; else up to a block that the seed chooses
}

// cutPatience bounds the wait for the requests in flight.
const cutPatience = 8 * time.Second

// PowerCut makes every request fail from now on and leaves the image as a power cut
// may: the write pointers of its sequential zones are anywhere between the flushed and
// the written one. Requests in flight end first: the power goes after them. Nothing
// is written after it.
func (d *Disk) PowerCut(queues []*Queue, c Cut) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	switch {
	case d.pause.cut.Load():
		return ErrPowerCut
	case d.pause.on.Load() || d.closed:
		return errors.New("the device is being handed over or deleted")
	}
	d.pause.cut.Store(true)
	d.pause.on.Store(true)
	var err error
	if !d.quiet(queues, cutPatience) {
		err = fmt.Errorf("requests are in flight for more than %v: what no flush has covered is lost", cutPatience)
	}
	if err == nil && !d.frozen.Load() {
		err = d.volatile.cut(d, c)
	}
	if err == nil && !c.Lose && !d.frozen.Load() && d.img.Zoned() != nil {
		err = d.durability.cut(c.Seed, uint64(d.img.LogicalBlockSize()))
	}
	d.cutOff()
	return err
}

// cutOff ends the image as it is, and tells the daemons after this one.
func (d *Disk) cutOff() {
	d.state.SetCut()
	d.frozen.Store(true)
	gone := ErrPowerCut
	d.failure.CompareAndSwap(nil, &gone)
	d.img.Abandon()
	d.pause.cut.Store(true)
	d.pause.on.Store(true)
}

// cut gives the slots of zones that were written since their last flush a write
// pointer from the flushed to the written one, on logical blocks of block bytes. No
// request is in flight.
func (t *durability) cut(seed, block uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slots := t.survivors(seed, block)
	if err := t.img.Sync(); err != nil {
		return err
	}
	return t.writeInOrder(slots)
}

// survivors are the slots that a cut changes. Where as many zones are active as may
// be, a zone that would be one more keeps all of its data, or none.
func (t *durability) survivors(seed, block uint64) []format.ZoneSlot {
	var slots []format.ZoneSlot
	part := t.part
	for k := range t.saved.sectors {
		zone := uint32(k)
		flushed, written := t.saved.get(zone), t.zones.State(zone).WP
		if t.zones.Geometry().IsConventional(zone) || written <= flushed {
			continue
		}
		rng := rand.New(rand.NewPCG(seed, uint64(zone)))
		for _, wp := range []uint64{flushed + rng.Uint64N((written-flushed)/block+1)*block, written} {
			s := format.ZoneSlot{Zone: zone, WP: wp}
			more := t.change([]format.ZoneSlot{s})
			if more > 0 && t.limit() > 0 && part+more > max(t.limit(), t.part) {
				continue
			}
			if wp > flushed {
				slots, part = append(slots, s), part+more
			}
			break
		}
	}
	return slots
}

// condition makes a zone read-only, offline or normal again, as its slot counts then.
// False: a reset or finish has it for itself.
func (t *durability) condition(zone uint32, c zoned.Condition) (list *zoned.Op, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.partWritten(zone, t.saved.get(zone))
	list, ok = t.zones.SetCondition(zone, c)
	t.part += t.partWritten(zone, t.saved.get(zone)) - before
	return list, ok
}
