// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// Users names who would miss the device if it went now: mounts, swap, nvmet,
// processes that have its node open, claims of the kernel. A device on top of it
// (LVM, dm-crypt) counts if it is in use itself.
func Users(id uint32) []string {
	node := ublk.BlockPath(id)
	names := exportsOf(id)
	nodes := []string{node}
	parts, _ := filepath.Glob(ublk.SysPath(id) + "/" + filepath.Base(node) + "p*")
	for _, p := range parts {
		nodes = append(nodes, "/dev/"+filepath.Base(p))
	}
	for _, n := range nodes {
		names = append(names, usersOf(n)...)
	}
	if len(names) == 0 && len(stackedOn(id)) == 0 && claimed(node) {
		names = []string{"claimed by the kernel"}
	}
	return names
}

// usersOf names who uses a block device, or one on top of it.
func usersOf(node string) []string {
	sys := "/sys/class/block/" + filepath.Base(node)
	sources := []string{node}
	if name, err := os.ReadFile(sys + "/dm/name"); err == nil {
		sources = append(sources, "/dev/mapper/"+strings.TrimSpace(string(name)))
	}
	is := func(path string) bool { return slices.Contains(sources, path) }
	names := append(append(mountsFrom(is), swapFrom(is)...), openersOf(is)...)
	above, _ := filepath.Glob(sys + "/holders/*")
	for _, a := range above {
		top := "/dev/" + filepath.Base(a)
		for _, user := range usersOf(top) {
			names = append(names, user+" by way of "+top)
		}
		if len(names) == 0 && claimed(top) && len(holdersOf(top)) == 0 {
			names = append(names, top+", which the kernel has claimed")
		}
	}
	return names
}

func holdersOf(node string) []string {
	above, _ := filepath.Glob("/sys/class/block/" + filepath.Base(node) + "/holders/*")
	return above
}

// claimed says that somebody has a block device for himself.
func claimed(node string) bool {
	fd, err := unix.Open(node, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.EBUSY)
}

// Whoever only looks at a device that has just changed (udev) is not waited for
// by name: he is gone in a moment.
const (
	glance   = 3 * time.Second
	askAgain = 100 * time.Millisecond
	sayAgain = 10 * time.Second
)

// DefaultStopWait is how long a daemon that is told to stop waits for the users
// of its device; less than the TimeoutStopSec of its unit.
const DefaultStopWait = 60 * time.Second

// waitForUsers holds a stop up while the device is in use, for some time: what
// they have written is synced, they are named, and if they do not go the device
// goes all the same, and says so.
func (d *Device) waitForUsers() error {
	began, said := time.Now(), time.Time{}
	for {
		users := d.users(d.record.ID)
		if len(users) == 0 {
			return nil
		}
		waited := time.Since(began)
		log := d.log.WithField("device", d.record.Node).WithField("users", strings.Join(users, ", "))
		if waited >= d.cfg.StopWait {
			log.Errorf("stopping a device in use: its users get errors from now on (they had %v to end)", d.cfg.StopWait)
			return nil
		}
		if waited >= min(glance, d.cfg.StopWait/2) && time.Since(said) >= sayAgain {
			if said.IsZero() {
				go unix.Sync() // may hang where the device's users do
			}
			said = time.Now()
			log.Warnf("told to stop while it is in use: waiting for its users, for %v at most", (d.cfg.StopWait - waited).Round(time.Second))
		}
		select {
		case err := <-d.failed:
			return errors.Join(ErrQueue, err)
		case <-d.stopping: // del --force
			return nil
		case <-time.After(askAgain):
		}
	}
}

// mayStop stops the driver's device if nobody has it open, or is the error about
// who has. A driver that can't do that in one step (before Linux 7.0) leaves it
// to who has looked before.
func (d *Device) mayStop(force bool) error {
	if force {
		return nil
	}
	drv, ok := d.driver.(interface{ TryStopDevice(id uint32) error })
	if !ok || !d.info.Flags.Has(ublk.FeatureSafeStop) {
		return nil
	}
	err := drv.TryStopDevice(d.info.ID)
	if errors.Is(err, unix.EBUSY) {
		users := d.users(d.info.ID)
		if len(users) == 0 {
			users = append(stackedOn(d.info.ID), "opened just now")
		}
		return &HeldError{Node: d.record.Node, Holders: users}
	}
	return err
}

// refuseUsed is the error about who uses the device of r, nil if that does not
// matter. Whoever has claimed it is told at once; those who have it open may be
// only looking, and get a moment to go.
func refuseUsed(r Record, force bool) error {
	if force {
		return nil
	}
	if !r.Alive {
		return r.refuseWaiting()
	}
	for end := time.Now().Add(glance); ; time.Sleep(askAgain) {
		names, err := Holders(r.ID)
		open := len(names) == 0
		if open {
			names = Openers(r.ID)
		}
		switch {
		case err != nil || len(names) == 0:
			return err
		case !open || time.Now().After(end):
			return &HeldError{Node: r.Node, Holders: names}
		}
	}
}
