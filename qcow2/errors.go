// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
)

// What can go wrong while an image is opened, or at any time after that. What is
// wrong with its bytes is an error of the format.
var (
	// ErrNotFollowed: the image names another file, and nobody allowed to open
	// it. The error found by errors.As is a *NotFollowedError.
	ErrNotFollowed = errors.New("a name found in an image is not followed")

	// ErrDirty: incompatible bit 0 is set, refcounts may be stale.
	ErrDirty = errors.New("image was not closed cleanly")

	// ErrWrapped: the zone table holds write pointers cut to 32 bits.
	ErrWrapped = errors.New("zone table has wrapped write pointers")

	// ErrReadOnly: a modifying call on an image opened read-only.
	ErrReadOnly = errors.New("image is opened read-only")

	// ErrFailed: the image takes no more writes since an earlier error: a flush
	// that failed, after which nothing written since the last good Sync is known
	// to be durable; a write of metadata that failed for another reason than
	// want of space; or metadata found corrupt. It stays until reopen.
	ErrFailed = errors.New("image takes no more writes since an error")
)

// NotFollowedError names a file that an image refers to and that was not opened.
type NotFollowedError struct {
	What string // "backing file", "external data file"
	Name string // as it stands in the image
	Why  string // what keeps it from being opened, and the way out
}

func (e *NotFollowedError) Error() string {
	return fmt.Sprintf("%s %q, a name found in the image, is not followed: %s", e.What, e.Name, e.Why)
}

// Is makes errors.Is(err, ErrNotFollowed) true.
func (e *NotFollowedError) Is(target error) bool { return target == ErrNotFollowed }
