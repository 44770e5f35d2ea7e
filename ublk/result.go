// SPDX-License-Identifier: Apache-2.0

package ublk

import "syscall"

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
