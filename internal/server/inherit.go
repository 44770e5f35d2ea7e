// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
)

// A daemon that is killed leaves what it has acknowledged in two places: the data
// in the page cache of the image, and the write pointers in its state file. Where
// the driver keeps no device (recovery off) the next daemon of the image takes
// the write pointers from there into the image before it starts.

// leftPointers reports whether a dead daemon has left write pointers that the
// image may not have, and whose data it has.
func (r Record) leftPointers() bool {
	if r.ReadOnly || !r.Zoned || !statefile.Left(r.statePath()) {
		return false
	}
	marks, err := statefile.ReadMarks(r.statePath())
	return err != nil || !marks.Frozen
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
		if marks, markErr := statefile.ReadMarks(r.statePath()); markErr == nil && marks.Frozen {
			d.log.Warn("the write pointers of a dead daemon are not used: what it wrote is not all on the disk; the image has what was flushed")
		}
		return err
	}
	shape, err := d.shape()
	if err != nil {
		return err
	}
	shape.Queues, shape.Tag = uint32(r.Queues), uint32(r.Depth)
	s, err := statefile.Take(r.statePath(), shape)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, statefile.ErrState) {
		d.log.WithError(err).Warn("the write pointers of a dead daemon can't be used; the image has what was flushed")
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Close()
	switch err := d.disk.Inherit(s); {
	case errors.Is(err, engine.ErrOvertaken):
		d.log.WithError(err).Warn("the write pointers of a dead daemon are not used")
	case err != nil:
		return fmt.Errorf("write pointers that a dead daemon has left: %w", err)
	}
	s.Spend()
	return nil
}
