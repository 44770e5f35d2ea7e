// SPDX-License-Identifier: Apache-2.0

package ublk

import "syscall"

// Results a zoned server answers by name. The kernel passes these to the writer as they are; what
// it doesn't know becomes EIO (drivers/block/ublk_drv.c, block/blk-core.c).
const (
	ErrnoIO          = syscall.EIO          // breaks a zone rule, or the medium failed
	ErrnoTooManyOpen = syscall.ETOOMANYREFS // the limit of open zones: BLK_STS_ZONE_OPEN_RESOURCE
	ErrnoTooActive   = syscall.EOVERFLOW    // the limit of active zones: BLK_STS_ZONE_ACTIVE_RESOURCE
	ErrnoUnsupported = syscall.EOPNOTSUPP
	ErrnoNoSpace     = syscall.ENOSPC // the host's disk is full
)

// passedOn are the errors the block layer has a status for. EAGAIN, EBUSY and the like are no plea
// to try again: the client gets them as errors. EREMCHG is for the kernel's device mapper only and
// must never be answered.
var passedOn = map[syscall.Errno]bool{
	syscall.EIO: true, syscall.EINVAL: true, syscall.ENOSPC: true, syscall.ETOOMANYREFS: true, syscall.EOVERFLOW: true,
	syscall.EOPNOTSUPP: true, syscall.ENOMEM: true, syscall.EBUSY: true, syscall.EAGAIN: true, syscall.ENODEV: true,
	syscall.EREMOTEIO: true, syscall.ENODATA: true, syscall.EILSEQ: true, syscall.ETIMEDOUT: true,
	syscall.ENOLINK: true,
	syscall.EBADE:   true, syscall.ETIME: true,
}

// ClientErrno is what the client of the disk gets to see when the server answers -e.
func ClientErrno(e syscall.Errno) syscall.Errno {
	if passedOn[e] {
		return e
	}
	return syscall.EIO
}

// maxErrno is the kernel's MAX_ERRNO: results below -maxErrno are no error numbers.
const maxErrno = 4095

// result makes what a handler answers fit for the driver: success is always the request in full and
// failure an error number the block layer knows. ok is false if the handler answered success for
// part of a request, which Linux 6.12 would send again and 7.3 would take for the whole.
func result(d *IODesc, res int32, maxIO uint32) (_ int32, ok bool) {
	switch {
	case res < -maxErrno || res == -int32(syscall.EREMCHG):
		return -int32(syscall.EIO), true
	case res < 0:
		return res, true
	case d.Op() == OpReportZones:
		return int32(maxIO), true
	case d.Op() == OpRead || d.Op() == OpWrite || d.Op() == OpZoneAppend:
		return res, uint64(res) == d.Bytes()
	}
	return 0, true
}
