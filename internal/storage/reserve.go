package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reserve implements File.
func (f *OSFile) Reserve(off, n int64) error {
	if err := checkRange(off, n); err != nil {
		return f.failed("reserve", off, err)
	}
	switch {
	case f.readOnly:
		return f.failed("reserve", off, ErrReadOnly)
	case f.kind == unix.S_IFBLK:
		return fmt.Errorf("reserve %s: %w", f.path, ErrNotSupported)
	case n == 0:
		return nil
	}
	err := retry(func() error { return unix.Fallocate(f.fd, unix.FALLOC_FL_KEEP_SIZE, off, n) })
	switch err {
	case nil:
		return nil
	case unix.EOPNOTSUPP, unix.ENOSYS:
		return fmt.Errorf("reserve %s: %w", f.path, ErrNotSupported)
	}
	return f.failed("reserve", off, err)
}
