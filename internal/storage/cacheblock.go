// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"os"

	"golang.org/x/sys/unix"
)

// maxBlock is the largest block, in bytes, that a file system or device of Linux
// has. A network file system says how much it likes to move at once instead.
const maxBlock = 64 << 10

// cacheBlock is the unit, in bytes, in which the page cache holds a file: a page,
// or a block of the file system or device if that is larger. What lies in one
// unit is read, written back and dropped together.
func cacheBlock(fd int) uint64 {
	page := uint64(os.Getpagesize())
	if block := blockSize(fd); block <= maxBlock {
		return max(page, block)
	}
	return page
}

// blockSize is the block of a file's file system, or of a device, in bytes; 0 if
// nobody tells.
func blockSize(fd int) uint64 {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return 0
	}
	if kind(st.Mode&unix.S_IFMT) == unix.S_IFBLK {
		n, err := unix.IoctlGetUint32(fd, unix.BLKBSZGET)
		if err != nil {
			return 0
		}
		return uint64(n)
	}
	var fs unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &fs) }); err != nil {
		return 0
	}
	return uint64(fs.Bsize)
}
