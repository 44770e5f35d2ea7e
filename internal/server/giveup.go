// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zqublkd/ublk"
)

// Whoever brings daemons back gives up in the end. A device in use then goes on
// waiting, with all that its users have not been answered, until a person says
// what is to become of it: a disk that is taken from a file system costs what was
// not flushed. A device that nobody uses is stopped, so that whoever comes gets an
// error instead of waiting for ever.

// waitingUsers names who uses a device that nobody serves. The device is not
// opened for that, which might wait for the next daemon.
func waitingUsers(id uint32) []string {
	names := append(Claims(id), Openers(id)...)
	if len(names) == 0 && requestsWait(id) {
		names = []string{"requests that wait for the next daemon"}
	}
	return names
}

// requestsWait reports whether the kernel has requests of a device that are not
// answered: of a process that is closing it, say, which has it open no more.
func requestsWait(id uint32) bool {
	b, err := os.ReadFile(filepath.Join(ublk.SysPath(id), "inflight"))
	return err == nil && strings.Trim(string(b), " 0\n") != ""
}

// GiveUp is the end of bringing daemons of device id back, for a reason that is
// recorded. It returns who uses the device: if anybody does, it stays and waits,
// else it is stopped.
func GiveUp(runDir string, id uint32, why string) (users []string, err error) {
	users, err = giveUp(openKernel, waitingUsers, runDir, id, why)
	if errors.Is(err, ErrNotOurs) { // somebody else has deleted it
		return nil, nil
	}
	return users, err
}

func giveUp(open opener, usersOf func(uint32) []string, runDir string, id uint32, why string) ([]string, error) {
	if _, err := ReadRecord(runDir, id); errors.Is(err, os.ErrNotExist) {
		return nil, NotOurs(runDir, id)
	}
	var c *deviceDir
	err := patiently(func() (err error) {
		c, err = lockDevice(runDir, id)
		return err
	}, func(err error) bool { return errors.Is(err, ErrServed) })
	if err != nil {
		return nil, err
	}
	r, err := ReadRecord(runDir, id)
	if err != nil {
		return nil, errors.Join(err, c.lock.Close())
	}
	r.GivenUp = why
	if users := usersOf(id); r.Recovery == RecoveryReissue && len(users) > 0 {
		return users, errors.Join(c.write(r), c.lock.Close())
	}
	if err := patiently(func() error { _, err := r.removeDevice(open); return err }, ublk.IsBusy); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", r.Node, err), c.write(r), c.lock.Close())
	}
	if r.SnapshotOf == "" && r.awaited() { // the next daemon of the image takes its write pointers from here
		return nil, errors.Join(c.write(r), c.lock.Close())
	}
	if err := c.lock.Close(); err != nil {
		return nil, err
	}
	return nil, deleteOrphan(open, runDir, id)
}

// refuseWaiting is the error about who uses a device that nobody serves. Those who
// have it open may be only looking, and get a moment to go.
func (r Record) refuseWaiting() error {
	for end := time.Now().Add(glance); ; time.Sleep(askAgain) {
		names := waitingUsers(r.ID)
		switch {
		case len(names) == 0:
			return nil
		case len(Claims(r.ID)) > 0 || time.Now().After(end):
			return &HeldError{Node: r.Node, Holders: names}
		}
	}
}
