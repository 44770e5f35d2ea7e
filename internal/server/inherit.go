package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zqublkd/zoned"
)

// A daemon that is killed leaves what it has acknowledged in two places: the data
// in the page cache of the image, and the write pointers in its state file. Where
// the driver keeps no device (recovery off) the next daemon of the image takes
// the write pointers from there into the image before it starts.

// errOvertaken is a state file of an image that others have written since.
var errOvertaken = errors.New("the image has been written by another program since")

// leftPointers reports whether a dead daemon has left write pointers that the
// image may not have.
func (r Record) leftPointers() bool {
	return !r.ReadOnly && r.Zoned && stateLeft(r)
}

// awaited reports whether r has left write pointers of an image that is still there.
func (r Record) awaited() bool {
	id, err := imageAt(r.Image)
	return err == nil && r.isOf(id) && r.leftPointers()
}

// inherit makes the write pointers that the dead daemon of r has acknowledged
// those of the image, if r is the image's and the state file is of this boot. An
// image that had failed keeps what was flushed.
func (d *Device) inherit(r Record) error {
	id, err := imageIn(d.disk.File().Fd())
	if err != nil || !r.isOf(id) || !r.leftPointers() {
		return err
	}
	shape, err := d.shape()
	if err != nil {
		return err
	}
	shape.Queues, shape.Tag = uint32(r.Queues), uint32(r.Depth)
	s, err := TakeState(filepath.Join(deviceDir(d.cfg.RunDir, r.ID), stateName), shape)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrState) {
		d.log.WithError(err).Warn("the write pointers of a dead daemon can't be used; the image has what was flushed")
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Close()
	switch err := d.disk.Inherit(s); {
	case errors.Is(err, errOvertaken):
		d.log.WithError(err).Warn("the write pointers of a dead daemon are not used")
	case err != nil:
		return fmt.Errorf("write pointers that a dead daemon has left: %w", err)
	}
	s.Spend()
	return nil
}

// Inherit is a flush with the zones as s has them: the data first, then the slots.
func (d *Disk) Inherit(s *StateFile) error {
	if s.Frozen() || d.img.Zoned() == nil {
		return nil
	}
	if d.img.ReadOnly() {
		return errors.New("the image is to be served read-only: serve it for writing once, or delete the dead device")
	}
	saved, err := newPointers(d.img)
	if err == nil {
		err = saved.read(d.img)
	}
	if err != nil {
		return err
	}
	if s.foreign(saved.sum()) {
		return errOvertaken
	}
	t := newTracker(d.geo.Zones(), nil, d.log)
	zones, err := zonesFrom(d.img, func(yield func(zoned.Entry) bool) {
		for e := range s.Entries(saved) {
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
	return newTable(d.img, zones, t, newReserve(d.geo), saved).flush()
}

// completeResets completes the resets that a dead daemon was about: those of zones
// whose slot it had emptied.
func (d *Disk) completeResets(state *StateFile, saved pointers) error {
	if state == nil || !state.Taken() || d.frozen.Load() {
		return nil
	}
	for i := range saved.sectors {
		zone := uint32(i)
		if !state.emptied(zone, saved) {
			continue
		}
		if err := d.sweepRange(d.geo.Start(zone), d.geo.Start(zone)+d.geo.Length(zone)); err != nil {
			return err
		}
	}
	return nil
}
