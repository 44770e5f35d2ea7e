// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"time"

	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/ublk"
)

// releaseTimeout bounds the wait for what a dead daemon still holds: the kernel
// ends its last I/O before it lets go of the image and the device.
const releaseTimeout = 20 * time.Second

// orphan is the record of a device of this image that waits for a new daemon.
func (d *Device) orphan() (Record, bool) {
	id, err := imageAt(d.cfg.Image)
	records, _ := Records(d.cfg.RunDir)
	for _, r := range records {
		ours := r.Image == d.cfg.Image || err == nil && r.isOf(id)
		if ours && r.Recovery == RecoveryReissue && (!r.Alive || !r.daemon().lives()) {
			return r, true
		}
	}
	return Record{}, false
}

// buryDead deletes what dead daemons without recovery have left of this image,
// and what is left of a device that can't be taken over,
// whose lock shows that they are dead: their devices can't come back. The write
// pointers that they had acknowledged become the image's first.
func (d *Device) buryDead() error {
	records, err := Records(d.cfg.RunDir)
	if err != nil {
		return err
	}
	for _, r := range records {
		ours := r.Image == d.cfg.Image || r.isOf(d.imageID)
		if d.cfg.SnapshotOf != "" && r.SnapshotOf == d.cfg.SnapshotOf && !ours && !r.Alive &&
			r.Recovery == RecoveryOff {
			_ = deleteOrphan(d.open, d.cfg.RunDir, r.ID) // a favour: nobody asks for it again
			continue
		}
		noDevice := r.Recovery == RecoveryOff || d.gone != nil && *d.gone == r.ID
		if !ours || r.Alive || !noDevice {
			continue
		}
		if err := d.inherit(r); err != nil {
			return fmt.Errorf("%s: %w", r.Node, err)
		}
		if err := deleteDead(d.open, d.cfg.RunDir, r.ID, func(Record) error { return nil }); err != nil {
			d.log.WithError(err).WithField("device", r.Node).Warn("what a dead daemon has left could not be deleted")
		}
		d.former = &r.ID
	}
	return nil
}

// takeOver serves the device of a dead daemon, which the kernel has kept, with
// exactly the state it had acknowledged.
func (d *Device) takeOver(r Record) error {
	d.keep = true // until it is served again it is not ours to delete
	d.cfg.inherit(r.Options)
	d.info.ID, d.cookie, d.record.Recoveries = r.ID, r.Cookie, r.Recoveries
	// Once the driver has ended the recovery, the device is served: nothing after
	// that may fail.
	for _, step := range []func() error{d.lockOrphan, d.countDeath, d.openDiskReleased, d.openDriver, d.adopt,
		d.takeState, d.startDisk, d.keepFaults, d.startQueues, d.writeRecord, d.listen, d.endRecovery} {
		if err := step(); err != nil {
			return fmt.Errorf("take over device %d: %w", r.ID, err)
		}
	}
	d.keep = false
	if err := d.waitForDisk(); err != nil {
		d.log.WithError(err).WithField("device", d.record.Node).Warn("the node of the device has not been found")
	}
	d.log.WithField("device", d.record.Node).Warn("took the device over from a daemon that died")
	return nil
}

// patiently repeats f while it fails with busy.
func patiently(f func() error, busy func(error) bool) error {
	end := time.Now().Add(releaseTimeout)
	for {
		err := f()
		if err == nil || !busy(err) || time.Now().After(end) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (d *Device) lockOrphan() error {
	return patiently(func() (err error) {
		d.dir, err = lockDevice(d.cfg.RunDir, d.info.ID)
		return err
	}, func(err error) bool { return errors.Is(err, ErrServed) })
}

// countDeath counts the daemon before as one that has died, unless it has handed over.
// Who opens the image for writing takes that mark away.
func (d *Device) countDeath() error {
	marks, err := statefile.ReadMarks(d.dir.path(stateName))
	if err == nil && !marks.Rested {
		d.record.Recoveries++
	}
	return err
}

// openDiskReleased opens the image once the dead daemon's last I/O has ended,
// which is when its lock comes free.
func (d *Device) openDiskReleased() error {
	return patiently(d.openDisk, func(err error) bool { return errors.Is(err, storage.ErrInUse) })
}

// ErrGone is a device that the driver does not know any more.
var ErrGone = errors.New("the driver has no such device any more")

// adopt tells the driver that a new daemon is coming. A device that never
// started, or has been stopped, has nothing to go on with.
func (d *Device) adopt() error {
	id := d.info.ID
	info, err := d.driver.DeviceInfo(id)
	switch {
	case err == nil && info.UserFlags != d.cookie:
		return ErrGone
	case err == nil && info.State == ublk.StateDead:
		return errors.Join(ErrGone, d.driver.DeleteDeviceAsync(id), waitNumber(d.open, id))
	}
	err = patiently(func() error { return d.driver.StartRecovery(id) }, ublk.IsBusy)
	if ublk.IsNoDevice(err) {
		return ErrGone
	}
	if err != nil {
		return err
	}
	// Undone last: whatever happens, the device stays for the next try, or
	// goes with an orderly end.
	d.later(d.deleteDevice)
	d.info, err = d.driver.DeviceInfo(id)
	return err
}

func (d *Device) takeState() error {
	shape, err := d.shape()
	if err != nil {
		return err
	}
	if d.state, err = statefile.Take(d.dir.path(stateName), shape); err != nil {
		return err
	}
	d.atLast(d.state.Close)
	os.Remove(d.dir.path(socketName))
	return nil
}

// endRecovery lets the requests flow again, those in flight first.
func (d *Device) endRecovery() error {
	err := d.driver.EndRecovery(d.info.ID, os.Getpid())
	if err == nil {
		d.tellSize()
	}
	return err
}
