// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"zqublkd/internal/statefile"
	"zqublkd/zoned"
)

// Inherit is a flush with the zones as s has them: the data first, then the slots.
func (d *Disk) Inherit(s *statefile.File) error {
	if s.Frozen() || d.img.Zoned() == nil {
		return nil
	}
	if d.img.ReadOnly() {
		return errors.New("the image is to be served read-only: serve it for writing once, or delete the dead device")
	}
	saved, err := newSavedPointers(d.img)
	if err == nil {
		err = saved.read(d.img)
	}
	if err != nil {
		return err
	}
	if s.Foreign(saved.sum()) {
		return ErrOvertaken
	}
	t := newChangedZones(d.geo.Zones(), nil, d.log)
	zones, err := zonesFrom(d.img, func(yield func(zoned.Entry) bool) {
		for e := range s.Entries(saved.slot()) {
			if e.Condition.Open() {
				e.Condition = 0 // the device is gone
			}
			if !yield(e) {
				return
			}
		}
	}, t)
	if err != nil {
		return err
	}
	t.all(d.geo.Zones())
	return newDurability(d.img, zones, t, newReserve(d.geo), saved).flush()
}

// completeResets completes the resets that a dead daemon was about: those of zones
// whose slot it had emptied.
func (d *Disk) completeResets(state *statefile.File, saved savedPointers) error {
	if state == nil || !state.Taken() || d.frozen.Load() {
		return nil
	}
	for i := range saved.sectors {
		zone := uint32(i)
		if !state.Emptied(zone, saved.get(zone)) {
			continue
		}
		if err := d.sweepRange(d.geo.Start(zone), d.geo.Start(zone)+d.geo.Length(zone)); err != nil {
			return err
		}
	}
	return nil
}

// ErrOvertaken is a state file of an image that others have written since.
var ErrOvertaken = errors.New("the image has been written by another program since")
