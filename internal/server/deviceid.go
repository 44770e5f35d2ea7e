// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// maxNumbers is how many devices the driver can number (UBLK_MINORS).
const maxNumbers = 1 << 20

// takeNumber finds a number that is free in the run directory and in the
// driver, and adds the device under it. The record comes first, with a cookie
// that the driver keeps for us: a daemon that dies at any moment leaves nothing
// that nobody knows of, and what is not ours is never deleted for ours.
func (d *Device) takeNumber(o ublk.AddOptions) error {
	d.cookie = rand.Uint64()>>12 | 1 // exact in the numbers of any JSON reader
	o.UserFlags = d.cookie
	free, err := d.takeName()
	if err != nil {
		return err
	}
	defer free()
	if d.former != nil && d.cfg.ID < 0 {
		o.ID = int32(*d.former)
		if err := d.addAs(*d.former, o); !errors.Is(err, errTaken) {
			return err
		}
	}
	for id := max(d.cfg.ID, 0); id < maxNumbers; id++ {
		o.ID = id
		err := d.addAs(uint32(id), o)
		if !errors.Is(err, errTaken) || d.cfg.ID >= 0 {
			return err
		}
	}
	return fmt.Errorf("all %d device numbers: %w", maxNumbers, errTaken)
}

// errTaken is a number that another device has.
var errTaken = fmt.Errorf("taken: %w", unix.EEXIST)

// addAs adds the device under a number, or leaves no trace of having tried.
func (d *Device) addAs(id uint32, o ublk.AddOptions) error {
	if d.driver.Knows(id) {
		return fmt.Errorf("device number %d: %w", id, errTaken)
	}
	c, err := lockDevice(d.cfg.RunDir, id)
	if errors.Is(err, ErrServed) {
		return fmt.Errorf("device number %d: %w", id, errTaken)
	}
	if err != nil {
		return err
	}
	if d.driver.Knows(id) { // since the last look; what lies in the folder is its
		c.lock.Close()
		return fmt.Errorf("device number %d: %w", id, errTaken)
	}
	if r, err := ReadRecord(d.cfg.RunDir, id); err == nil && r.awaited() { // of another image
		c.lock.Close()
		return fmt.Errorf("device number %d: its write pointers wait for `zqublkd add %s`: %w", id, r.Image, errTaken)
	}
	c.forget()
	d.dir, d.info.ID = c, id
	if err = d.announce(); err == nil {
		d.info, err = d.driver.AddDevice(o)
	}
	if err == nil {
		d.later(d.deleteDevice)
		return nil
	}
	d.dir.remove()
	d.dir = nil
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%w: %w", errTaken, err)
	}
	return err
}

// ours says that the driver's device of a record is the one it was written for:
// the number may be another server's by now.
func (r Record) ours(info ublk.DevInfo) bool { return info.UserFlags == r.Cookie }
