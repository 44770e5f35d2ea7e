// SPDX-License-Identifier: Apache-2.0

package blkdev

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Extent is a piece of a file on its device, in bytes.
type Extent struct {
	Offset uint64 // of the device
	Length uint64
}

// FS_IOC_FIEMAP and its flags, include/uapi/linux/fiemap.h.
const (
	fsIocFiemap    = 0xc020660b
	fiemapSync     = 0x1
	fiemapHeader   = 32 // struct fiemap
	fiemapExtent   = 56 // struct fiemap_extent
	extentLast     = 0x001
	extentUnknown  = 0x002
	extentDelalloc = 0x004
	extentInline   = 0x200
)

const extentsPerCall = 256

// FileExtents lists where the data of the file at path lies on the device that
// its file system is on. What is not on the device yet is written first (the
// call syncs the file); what lies inside metadata is left out. The addresses of
// btrfs are those of its own address space and are translated by its chunk tree,
// which takes CAP_SYS_ADMIN.
func FileExtents(path string) ([]Extent, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	list, err := fiemap(fd)
	if err != nil {
		return nil, fmt.Errorf("extents of %s (FIEMAP): %w", path, err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return nil, fmt.Errorf("statfs of %s: %w", path, err)
	}
	if fs.Type != unix.BTRFS_SUPER_MAGIC {
		return list, nil
	}
	chunks, err := btrfsChunks(fd)
	if err != nil {
		return nil, fmt.Errorf("chunk tree of the btrfs that %s is on: %w", path, err)
	}
	return chunks.translate(list)
}

func fiemap(fd int) ([]Extent, error) {
	var list []Extent
	for from := uint64(0); ; {
		buf := make([]byte, fiemapHeader+extentsPerCall*fiemapExtent)
		binary.NativeEndian.PutUint64(buf[0:], from)
		binary.NativeEndian.PutUint64(buf[8:], ^uint64(0)-from)
		binary.NativeEndian.PutUint32(buf[16:], fiemapSync)
		binary.NativeEndian.PutUint32(buf[24:], extentsPerCall)
		if e := ioctl(fd, fsIocFiemap, &buf[0]); e != 0 {
			return nil, e
		}
		n := min(int(binary.NativeEndian.Uint32(buf[20:])), extentsPerCall)
		if n == 0 {
			return list, nil
		}
		for i := range n {
			e := buf[fiemapHeader+i*fiemapExtent:]
			logical, physical := binary.NativeEndian.Uint64(e[0:]), binary.NativeEndian.Uint64(e[8:])
			length, flags := binary.NativeEndian.Uint64(e[16:]), binary.NativeEndian.Uint32(e[40:])
			if flags&(extentUnknown|extentDelalloc|extentInline) == 0 {
				list = append(list, Extent{physical, length})
			}
			if flags&extentLast != 0 || length == 0 {
				return list, nil
			}
			from = logical + length
		}
	}
}
