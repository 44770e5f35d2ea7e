// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

// imageID tells images apart, whatever paths lead to them.
type imageID struct {
	Dev  uint64 `json:"dev"`            // that the file lies on; the number of a block device
	Ino  uint64 `json:"ino,omitempty"`  // 0: a block device
	Born int64  `json:"born,omitempty"` // nanoseconds since 1970, because inode numbers are used again; 0: not known
}

// imageAt returns the identity of the image that a path leads to.
func imageAt(path string) (imageID, error) { return identify(unix.AT_FDCWD, path, 0) }

// imageIn returns the identity of an open image.
func imageIn(fd int) (imageID, error) { return identify(fd, "", unix.AT_EMPTY_PATH) }

func identify(fd int, path string, flags int) (imageID, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return imageID{}, &os.PathError{Op: "statx", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return imageID{Dev: unix.Mkdev(st.Rdev_major, st.Rdev_minor)}, nil
	}
	id := imageID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id, nil
}

// isOf reports whether r is the record of an image. An older program's record
// has only the path.
func (r Record) isOf(id imageID) bool {
	if r.ImageID == (imageID{}) {
		theirs, err := imageAt(r.Image)
		return err == nil && theirs == id
	}
	return r.ImageID == id
}

// ImageGone reports whether the image of r is at its path no more: deleted, moved,
// or replaced by another. Its daemon has it all the same.
func (r Record) ImageGone() bool {
	id, err := imageAt(r.Image)
	return errors.Is(err, os.ErrNotExist) || err == nil && !r.isOf(id)
}

// Unserved returns an error if an image is served, or if a dead daemon's device or
// write pointers wait for the next daemon of it: that goes on with what the dead
// one knew, so the image must not change before. Whatever changes an image without
// serving it asks this first. An image that does not exist is not served.
func Unserved(runDir, image string) error {
	id, err := imageAt(image)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	records, err := Records(runDir)
	if err != nil {
		return err
	}
	for _, r := range records {
		switch {
		case !r.isOf(id):
		case r.Alive:
			return fmt.Errorf("%s: %w: it is served as %s (stop it with `zqublkd del %d`)", image, storage.ErrInUse, r.Node, r.ID)
		case r.Recovery == RecoveryReissue:
			return fmt.Errorf("%s: %w: %s waits for its next daemon (`zqublkd recover %d`, or give it up with `zqublkd del %d`)",
				image, storage.ErrInUse, r.Node, r.ID, r.ID)
		case r.leftPointers():
			return fmt.Errorf("%s: %w: its daemon has died, and what was written last waits for `zqublkd add %s` (or give it up with `zqublkd del %d`)",
				image, storage.ErrInUse, image, r.ID)
		}
	}
	return nil
}

// servedAs adds to an error about an image in use as what it is served.
func servedAs(runDir, image string, err error) error {
	if !errors.Is(err, storage.ErrInUse) {
		return err
	}
	id, idErr := imageAt(image)
	records, _ := Records(runDir)
	for _, r := range records {
		if idErr == nil && r.Alive && r.isOf(id) {
			return fmt.Errorf("%w: it is served as %s (stop it with `zqublkd del %d`)", err, r.Node, r.ID)
		}
	}
	return err
}
