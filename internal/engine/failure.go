// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/ublk"
)

// freeze makes the disk read-only once its image refuses to be written: after a
// failed barrier, what it should have covered may be gone from the page cache
// without having been written, and after a failed write of metadata nobody knows
// what the file holds, so no later flush could promise anything. It is called
// after whatever may have found that out, and before the answer to it.
func (d *Disk) freeze() {
	if err := d.img.Failed(); err != nil {
		d.freezeFor(err)
	}
}

// freezeFor makes the disk read-only, for the daemons after this one, too: their
// barriers might succeed without what was lost.
func (d *Disk) freezeFor(err error) {
	d.state.SetFrozen()
	d.frozen.Store(true)
	if !d.failure.CompareAndSwap(nil, &err) {
		return
	}
	d.lastErrors.add(fmt.Errorf("%w: %s", err, wayOut))
	d.complain(wayOut, err, "")
}

// OpenTaken opens the image of a device that is taken over, whose state file is
// at state. If the disk was frozen, the image is opened for reading: nothing of it
// is mended, no mark is taken away, and what reads have shown so far they go on
// showing. If it was not, but what the daemon before has acknowledged can't be made
// durable now, or its disk does not have it, it is frozen from here on.
func OpenTaken(image, state string, o DiskOptions) (*Disk, error) {
	marks, err := statefile.ReadMarks(state)
	if err == nil {
		err = statefile.Disturb(state)
	}
	if err != nil {
		return nil, err
	}
	o.ReadOnly, o.Compare = o.ReadOnly || marks.Frozen, Comparing(marks)
	d, err := OpenDisk(image, o)
	if o.ReadOnly || !errors.Is(err, storage.ErrUnsettled) {
		return d, err
	}
	o.Log.WithError(err).Error("what the daemon before has acknowledged did not reach the disk")
	if err := statefile.Freeze(state); err != nil {
		return nil, err
	}
	o.ReadOnly = true
	return OpenDisk(image, o)
}

// Comparing is how an image must be settled whose state file has such marks, if
// somebody is going on with that. Who has handed over knows that all is durable;
// who died in a barrier may have been told that it is not.
func Comparing(m statefile.Marks) storage.Compare {
	switch {
	case m.Frozen || m.Rested:
		return storage.CompareNot
	case m.Barrier:
		return storage.CompareAlways
	}
	return storage.ComparePossible
}

const wayOut = "the disk is read-only from now on: stop it, mend the storage, run zqublkd check on the image"

// Failure is why the disk was frozen, nil if it was not.
func (d *Disk) Failure() error {
	if p := d.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// unchangeable returns the error of an operation that would change a frozen disk.
func (d *Disk) unchangeable(op ublk.Op) error {
	if err := d.Failure(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: the disk is read-only: %w", op, unix.EROFS)
}

// panicked reports a panic of ours, which costs one request and not the disk.
func (d *Disk) panicked(v any) error {
	err := fmt.Errorf("internal error: %v", v)
	d.complain("a request has failed by an internal error", err, string(debug.Stack()))
	return err
}

// complain logs, off the caller's goroutine: the log may go to a file system
// on this very disk.
func (d *Disk) complain(msg string, err error, stack string) {
	e := d.log.WithError(err)
	if stack != "" {
		e = e.WithField("stack", stack)
	}
	go e.Error(msg)
}
