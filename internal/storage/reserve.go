// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// inMemory: the file's space is memory, which is found as quickly at the write as
// before it, and its bytes are nowhere but in the page cache. The node of a block
// device lies in such a file system too (devtmpfs), the device does not.
func (f *OSFile) inMemory() bool {
	if f.kind == unix.S_IFBLK {
		return false
	}
	var st unix.Statfs_t
	err := retry(func() error { return unix.Fstatfs(f.fd, &st) })
	return err == nil && st.Type == unix.TMPFS_MAGIC
}

// Reserve implements File.
func (f *OSFile) Reserve(off, n int64) error {
	if err := CheckRange(off, n); err != nil {
		return f.failed("reserve", off, err)
	}
	switch {
	case f.readOnly:
		return f.failed("reserve", off, ErrReadOnly)
	case f.kind == unix.S_IFBLK, f.inMemory():
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
