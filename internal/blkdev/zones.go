// SPDX-License-Identifier: Apache-2.0

package blkdev

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"zqublkd/zoned"
)

// The zone ioctls, include/uapi/linux/blkzoned.h.
const (
	blkReportZone = 0xc0101282
	blkResetZone  = 0x40101283
	blkOpenZone   = 0x40101286
	blkCloseZone  = 0x40101287
	blkFinishZone = 0x40101288
)

var manageIoctls = map[zoned.Operation]uint{
	zoned.OpReset: blkResetZone, zoned.OpOpen: blkOpenZone, zoned.OpClose: blkCloseZone, zoned.OpFinish: blkFinishZone,
}

const (
	sector       = 512 // bytes
	headerBytes  = 16  // struct blk_zone_report
	zoneBytes    = 64  // struct blk_zone
	conventional = 1   // BLK_ZONE_TYPE_CONVENTIONAL
)

func ioctl(fd int, request uint, arg *byte) syscall.Errno {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(arg)))
	return e
}

// ManageZones does one of open, close, finish and reset to the zones in n bytes
// from byte off of the device that fd has open.
func ManageZones(fd int, op zoned.Operation, off, n uint64) syscall.Errno {
	request, ok := manageIoctls[op]
	if !ok {
		return unix.EOPNOTSUPP
	}
	var span [16]byte // struct blk_zone_range
	binary.NativeEndian.PutUint64(span[0:], off/sector)
	binary.NativeEndian.PutUint64(span[8:], n/sector)
	return ioctl(fd, request, &span[0])
}

// ReportZones lists up to n zones from the one that holds byte off of the device
// that fd has open.
func ReportZones(fd int, off uint64, n int) ([]zoned.Info, syscall.Errno) {
	buf := make([]byte, headerBytes+n*zoneBytes)
	binary.NativeEndian.PutUint64(buf[0:], off/sector)
	binary.NativeEndian.PutUint32(buf[8:], uint32(n))
	if e := ioctl(fd, blkReportZone, &buf[0]); e != 0 {
		return nil, e
	}
	infos := make([]zoned.Info, min(n, int(binary.NativeEndian.Uint32(buf[8:]))))
	for i := range infos {
		infos[i] = decodeZone(buf[headerBytes+i*zoneBytes:])
	}
	return infos, 0
}

// decodeZone reads a struct blk_zone.
func decodeZone(z []byte) zoned.Info {
	bytes := func(at int) uint64 { return binary.NativeEndian.Uint64(z[at:]) * sector }
	return zoned.Info{Start: bytes(0), Length: bytes(8), WP: bytes(16), Capacity: bytes(32),
		Conventional: z[24] == conventional, Condition: zoned.Condition(z[25])}
}
