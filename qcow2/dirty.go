// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// The dirty bit (incompatible bit 0) is set while refcounts may be higher than
// what refers to them: from the first change of a refcount to an orderly Close.
// An image that is opened for writing with it set was left by a crash, and what
// leaked there is freed. Version 2 has no such bit: leaks stay until somebody
// runs check --repair leaks.

// markDirty sets the bit, durably, before the first refcount changes. The
// caller holds mu.
func (i *Image) markDirty() error {
	if i.header.Version < 3 || i.marks.has(format.IncompatDirty) {
		return nil
	}
	if err := i.mark(format.IncompatDirty, 0); err != nil {
		return err
	}
	return i.datasync()
}

// markClean takes the bit away, unless something has leaked. All that was
// written before becomes durable first.
func (i *Image) markClean() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.marks.has(format.IncompatDirty) || i.leaky {
		return nil
	}
	if err := i.datasync(); err != nil {
		return err
	}
	if err := i.mark(0, format.IncompatDirty); err != nil {
		return err
	}
	return i.datasync()
}

// leftDirty says whether the dirty bit is all that keeps an image from being
// written.
func (i *Image) leftDirty() bool {
	return i.header.Incompatible&format.IncompatDirty != 0 && len(i.obstacles) == 1
}

// mend frees what a crash has leaked and takes the dirty bit away.
func mend(f storage.File) error {
	r, err := check.Settled(f, check.Options{Repair: check.RepairLeaks})
	if err == nil && !r.Clean() {
		err = fmt.Errorf("%d corruptions", r.Corruptions)
	}
	if err != nil {
		return fmt.Errorf("%w (incompatible bit 0), and looking for leaked clusters failed: %w; open it read-only, or run check --repair all", ErrDirty, err)
	}
	return nil
}
