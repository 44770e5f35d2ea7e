// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"zqublkd/internal/devname"
	"zqublkd/ublk"
)

// ErrNameTaken is a name that another device has.
var ErrNameTaken = errors.New("taken")

// takeName settles the name of a new device: no other has it. One that nobody
// has chosen gives way. The caller calls free once the record is written; until
// then the run directory is locked, and no other device gets a name.
func (d *Device) takeName() (free func() error, err error) {
	if err := os.MkdirAll(d.cfg.RunDir, 0o755); err != nil {
		return nil, inRunDir(err)
	}
	lock, err := os.Open(d.cfg.RunDir)
	if err != nil {
		return nil, inRunDir(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	records, err := Records(d.cfg.RunDir)
	if err == nil {
		err = d.cfg.chooseName(records)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock.Close, nil
}

func (c *Config) chooseName(others []Record) error {
	if c.Name != "" {
		if r, taken := named(others, c.Name); taken {
			return fmt.Errorf("name %q: %w by %s (%s): choose another", c.Name, ErrNameTaken, r.Node, r.Image)
		}
		return nil
	}
	c.Name = devname.OfImage(c.Image)
	if r, taken := named(others, c.Name); taken {
		c.Name = devname.Distinct(c.Image)
		c.Log.Warnf("%s (%s) has the name that this device would have: it is called %s; --name chooses", r.Node, r.Image, c.Name)
	}
	return nil
}

func named(records []Record, name string) (Record, bool) {
	for _, r := range records {
		if r.Name == name {
			return r, true
		}
	}
	return Record{}, false
}

// NameOf is the name of device id, of the driver's device that has this number
// now: a record that outlived its device does not name the next one.
func NameOf(runDir string, id uint32) (string, error) {
	r, err := ReadRecord(runDir, id)
	if err != nil {
		return "", err
	}
	ctl, err := ublk.OpenControl()
	if err != nil {
		return "", err
	}
	defer ctl.Close()
	info, err := ctl.DeviceInfo(id)
	if err == nil && !r.ours(info) {
		err = NotOurs(runDir, id)
	}
	return r.Name, err
}
