// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/check"
)

// JudgeWriting adds to the obstacles of an image opened read-only what opening it
// for writing would object to, and writes nothing. It looks at all metadata
// that is entered then, so it takes as long.
func (i *Image) JudgeWriting() {
	if i.Refused(UseRead) != nil {
		return
	}
	i.enterRegions()
	if i.refs != nil {
		i.refuse(UseWrite, i.refs.findTail())
	}
}

// WouldMend reports whether the dirty bit is all that keeps the image from being
// written, so that opening it for writing takes the bit off; the error says why
// that would fail.
func (i *Image) WouldMend() (bool, error) {
	if !i.leftDirty() {
		return false, nil
	}
	why, err := check.WouldRepairLeaks(i.file.File)
	if err == nil && why != "" {
		err = fmt.Errorf("%s: %w", why, ErrDirty)
	}
	return err == nil, err
}

// MarkedZoned reports whether the image says that it is zoned, whether or not
// it makes sense: Zoned is nil if it does not, and Obstacles say why.
func (i *Image) MarkedZoned() bool { return i.isZoned() }
