// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// HeldError is a device that is in use.
type HeldError struct {
	Node    string
	Holders []string
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is in use: %s; end that first, or use --force", e.Node, strings.Join(e.Holders, ", "))
}

// ErrLinger says that a stopped device's number stays taken until the last
// process that has its node open closes it.
var ErrLinger = errors.New("its number stays in use until the last process that has the node open closes it")

// deleteTimeout bounds the wait for a daemon to end.
const deleteTimeout = 60 * time.Second

// Delete stops device id of a run directory and waits until it is gone. It
// refuses one that is in use, unless force. A device whose daemon is dead is
// deleted from here, under its lock.
func Delete(runDir string, id uint32, force bool) error {
	return stopAndDelete(runDir, id, stopping{force: force})
}

// Discard is Delete of a device whose image nobody reads again: nothing of it is made
// durable, which takes no time. It refuses one that is in use.
func Discard(runDir string, id uint32) error {
	return stopAndDelete(runDir, id, stopping{discard: true})
}

func stopAndDelete(runDir string, id uint32, s stopping) error {
	r, err := ReadRecord(runDir, id)
	if errors.Is(err, os.ErrNotExist) {
		return NotOurs(runDir, id)
	}
	if err != nil {
		return err
	}
	if r.Alive { // before its device is touched
		err := r.notHung(runDir)
		if err != nil && s.force {
			if err = r.endHung(); err == nil {
				return waitGone(runDir, r)
			}
		}
		if err != nil {
			return err
		}
	}
	if err := refuseUsed(r, s.force); err != nil {
		return err
	}
	if !r.Alive {
		if err := r.endSupervisor(); err != nil {
			return err
		}
		if err := deleteOrphan(openKernel, runDir, id); !errors.Is(err, ErrNotOurs) {
			return err
		}
		return waitNumber(openKernel, id) // the supervisor, or the daemon it was starting, has cleared up
	}
	last, err := askStop(runDir, id, s)
	if err != nil && (r.Starting || !ending(err)) {
		return err
	}
	if err := waitGone(runDir, r); err != nil {
		return err
	}
	return last.hear(r)
}

// endSupervisor keeps the daemon of r from being brought back.
func (r Record) endSupervisor() error {
	p := r.supervisor()
	if err := p.signal(unix.SIGTERM); errors.Is(err, unix.ESRCH) || errors.Is(err, errStranger) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: its supervisor: %w", r.Node, err)
	}
	return until(func() bool { return !p.lives() }, fmt.Sprintf("%s: its supervisor, process %d, has not ended", r.Node, r.Supervisor))
}

// ending says that a daemon that can't be asked is about to end: somebody else
// has asked it to.
func ending(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, io.EOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// NotOurs is the error about a device that a run directory has no record of.
func NotOurs(runDir string, id uint32) error {
	return fmt.Errorf("device %d: %w of %s (see `zqublkd list`)", id, ErrNotOurs, runDir)
}

// ErrNotOurs is a device without a record.
var ErrNotOurs = errors.New("not a device")

// waitGone waits until the daemon of r has ended and the driver has let go of
// its device.
func waitGone(runDir string, r Record) error {
	end := time.Now().Add(deleteTimeout)
	for time.Now().Before(end) {
		now, err := ReadRecord(runDir, r.ID)
		switch {
		case err == nil && !now.Alive && !r.supervisor().lives(): // it died on the way
			err := deleteOrphan(openKernel, runDir, r.ID)
			// else it is just clearing up after itself
			if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, ErrNotOurs) {
				return err
			}
		case err != nil && !r.daemon().lives() && !r.supervisor().lives():
			return waitNumber(openKernel, r.ID)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("device %d: its daemon (pid %d) has not ended within %v; see its log", r.ID, r.PID, deleteTimeout)
}

// waitNumber waits a moment for the driver to free the number of a device.
func waitNumber(open opener, id uint32) error {
	drv, err := open()
	if err != nil {
		return err
	}
	defer drv.Close()
	for range 100 {
		if _, err := drv.DeviceInfo(id); ublk.IsNoDevice(err) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	by := ""
	if openers := Openers(id); len(openers) > 0 {
		by = " (" + strings.Join(openers, ", ") + ")"
	}
	return fmt.Errorf("device %d is stopped; %w%s", id, ErrLinger, by)
}

// deleteOrphan deletes a device whose daemon is dead, with all that was for it alone.
func deleteOrphan(open opener, runDir string, id uint32) error {
	return deleteDead(open, runDir, id, Record.throwAway)
}

// deleteDead is deleteOrphan that does with what was for the device alone as it is
// told.
func deleteDead(open opener, runDir string, id uint32, rest func(Record) error) error {
	if _, err := ReadRecord(runDir, id); errors.Is(err, os.ErrNotExist) {
		return NotOurs(runDir, id)
	}
	c, err := lockDevice(runDir, id)
	if err != nil {
		return err
	}
	r, err := ReadRecord(runDir, id)
	removed := false
	if err == nil {
		removed, err = r.removeDevice(open)
	}
	if err == nil {
		err = rest(r)
	}
	if err != nil {
		return errors.Join(err, c.lock.Close())
	}
	c.remove()
	if !removed {
		return nil // the number may be another server's
	}
	return waitNumber(open, id)
}

// removeDevice stops and deletes the driver's device of r; false if the driver
// has it no more.
func (r Record) removeDevice(open opener) (removed bool, err error) {
	drv, err := open()
	if err != nil {
		return false, err
	}
	defer drv.Close()
	if info, err := drv.DeviceInfo(r.ID); ublk.IsNoDevice(err) || err == nil && !r.ours(info) {
		return false, nil
	}
	for _, step := range []func(uint32) error{drv.StopDevice, drv.DeleteDeviceAsync} {
		if err := step(r.ID); err != nil && !ublk.IsNoDevice(err) {
			return false, err
		}
	}
	return true, nil
}

// Bury is Abandon by the supervisor, which waits until the dead daemon's last
// I/O has ended, and for whoever is just looking after the device.
func Bury(runDir string, id uint32) error {
	err := patiently(func() error { return deleteOrphan(openKernel, runDir, id) },
		func(err error) bool { return errors.Is(err, ErrServed) || ublk.IsBusy(err) })
	if errors.Is(err, ErrNotOurs) { // somebody else has deleted it
		return nil
	}
	return err
}

// Abandon stops and deletes a device whose daemon is dead and does not come
// back, so that its users get errors.
func Abandon(runDir string, id uint32) error { return deleteOrphan(openKernel, runDir, id) }
