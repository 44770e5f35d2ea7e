// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2/format"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// zonePatience bounds the wait for a reset or finish of a zone whose condition is to
// change.
const zonePatience = 8 * time.Second

// mayChange says why zones can't change their condition, nil if they can; changing is
// held.
func (d *Disk) mayChange() error {
	switch {
	case d.Failure() != nil:
		return d.Failure()
	case d.closed || d.pause.on.Load():
		return errors.New("the device is being handed over or deleted")
	case d.frozen.Load():
		return fmt.Errorf("the disk is read-only: %w", unix.EROFS)
	case d.img.Zoned() == nil:
		return errors.New("a plain image has no zones")
	}
	return nil
}

// SetConditions makes zones of a disk in use read-only, offline or normal, as a drive
// does on its own: in the image first, durably. Writes in flight there fail.
func (d *Disk) SetConditions(runs ...format.ConditionRun) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if err := d.mayChange(); err != nil {
		return err
	}
	err := d.img.SetZoneConditions(runs...)
	d.freeze()
	if err != nil {
		return err
	}
	end := time.Now().Add(zonePatience)
	for _, r := range runs {
		for zone := r.First; uint64(zone) < r.End(); zone++ {
			if err := d.setCondition(zone, zoned.Condition(r.Condition), end); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Disk) setCondition(zone uint32, c zoned.Condition, end time.Time) error {
	for {
		list, ok := d.durability.condition(zone, c)
		if ok {
			d.dispatch(list, nil)
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("zone %d: a reset or finish of it does not end; its condition is in the image, and counts when that is added again", zone)
		}
		time.Sleep(time.Millisecond)
	}
}

// FinishZone makes a zone full, as a drive may do on its own: by a finish, which
// waits for the requests in flight there.
func (d *Disk) FinishZone(zone uint32) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if err := d.mayChange(); err != nil {
		return err
	}
	if zone >= d.geo.Zones() || d.geo.IsConventional(zone) {
		return fmt.Errorf("zone %d can't be made full: the sequential zones are %d to %d", zone, d.geo.Conventional, d.geo.Zones()-1)
	}
	l := &ownLane{desc: ublk.NewIODesc(ublk.OpZoneFinish, 0, d.geo.Start(zone)/ublk.SectorBytes, 0),
		woken: make(chan struct{}, 1)}
	q := &Queue{disk: d, lane: l, slots: make([]slot, 1), resting: true} // nobody waits for it to rest
	s := &q.slots[0]
	s.operation = operationOf(ublk.OpZoneFinish)
	s.q, s.desc, s.op.Owner, s.judged = q, l.desc, s, true // faults are for the requests of clients
	q.begin(s)
	for !s.answered {
		<-l.woken
		q.drain()
	}
	if l.res < 0 {
		return fmt.Errorf("zone %d can't be made full: %w; `zqublkd errors` says why", zone, unix.Errno(-l.res))
	}
	return nil
}

// ownLane carries a request of our own: one that has no data.
type ownLane struct {
	lane  // nil: nothing else is asked of it
	desc  ublk.IODesc
	res   int32
	woken chan struct{}
}

// Complete keeps the answer.
func (l *ownLane) Complete(_ uint16, res int32) { l.res = res }

// Wake lets FinishZone look at what was handed back.
func (l *ownLane) Wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}
