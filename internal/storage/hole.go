// SPDX-License-Identifier: Apache-2.0

package storage

import "golang.org/x/sys/unix"

const punchMode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE

// PunchHole implements File. On a block device the same call is a write of
// zeros the device must be able to do by itself (fallocate(2) on block
// devices, Linux 4.9): it fails rather than leave old bytes, as a plain discard
// may.
func (f *OSFile) PunchHole(off, n int64) error {
	if err := f.punch(off, n); err != nil {
		return f.failed("punch hole", off, err)
	}
	return nil
}

func (f *OSFile) punch(off, n int64) error {
	if err := CheckRange(off, n); err != nil {
		return err
	}
	if f.readOnly {
		return ErrReadOnly
	}
	if n == 0 {
		return nil
	}
	return f.punchError(retry(func() error { return unix.Fallocate(f.fd, punchMode, off, n) }))
}

// punchError sorts what the kernel says into "can't" and "failed". A block
// device answers EINVAL to ranges that are no multiple of its block.
func (f *OSFile) punchError(err error) error {
	switch err {
	case unix.EOPNOTSUPP, unix.ENOSYS:
		return ErrNotSupported
	case unix.EINVAL:
		if f.kind == unix.S_IFBLK {
			return ErrNotSupported
		}
	}
	return err
}
