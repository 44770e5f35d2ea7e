// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"fmt"
	"sync"

	"zqublkd/qcow2/format"
)

// marks are the incompatible feature bits as the file has them. The bits of
// Image.header are those at open: some of these change while the image is used,
// by whoever holds mu (the dirty bit) and by whoever meets damage (the corrupt
// bit), so they have a lock of their own.
type marks struct {
	mu   sync.Mutex
	bits format.IncompatibleFeatures
}

func (m *marks) has(bit format.IncompatibleFeatures) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bits&bit != 0
}

// mark sets and clears incompatible feature bits in the file, not durably yet.
// Any failure but a lack of room is final.
func (i *Image) mark(set, clear format.IncompatibleFeatures) error {
	i.marks.mu.Lock()
	defer i.marks.mu.Unlock()
	bits := i.marks.bits&^clear | set
	if bits == i.marks.bits {
		return nil
	}
	word := binary.BigEndian.AppendUint64(nil, uint64(bits))
	// Not by writeMeta, which marks the image when it meets damage.
	if err := i.regions.check(format.KindHeader, format.IncompatibleField, uint64(len(word))); err != nil {
		return i.fail(err)
	}
	if err := i.file.write(word, format.IncompatibleField); err != nil {
		if !noRoom(err) {
			err = i.fail(fmt.Errorf("writing the %v: %w", format.KindHeader, err))
		}
		return err
	}
	i.marks.bits = bits
	return nil
}

// damaged marks an image that is open for writing corrupt, as QEMU does
// (incompatible bit 1, version 3 only), so that it is not opened for writing
// again before it has been checked. It goes on being used: err, which damage
// caused, is about one place of the disk. Errors that aren't ErrCorrupt pass.
func (i *Image) damaged(err error) error {
	if !format.IsCorrupt(err) || i.readOnly || i.Failed() != nil || i.header.Version < 3 ||
		i.marks.has(format.IncompatCorrupt) {
		return err
	}
	if i.mark(format.IncompatCorrupt, 0) == nil {
		i.datasync() // its failure is remembered
	}
	return err
}

// corrupted is damaged for metadata that others rely on, and makes the image
// refuse writes.
func (i *Image) corrupted(err error) error {
	if !format.IsCorrupt(err) || i.Failed() != nil {
		return err
	}
	i.damaged(err)
	return i.fail(err)
}
