// SPDX-License-Identifier: Apache-2.0

package zoned

import "syscall"

// Errno is what a Linux block device answers a request that broke r. The block
// layer passes two codes on to the caller of write(2) as zone resource errors
// (BLK_STS_ZONE_OPEN_RESOURCE and BLK_STS_ZONE_ACTIVE_RESOURCE,
// include/linux/blk_types.h); everything else is an I/O error, as real drives
// answer it.
func (r Rule) Errno() syscall.Errno {
	switch r {
	case RuleOpenLimit:
		return syscall.ETOOMANYREFS
	case RuleActiveLimit:
		return syscall.EOVERFLOW
	}
	return syscall.EIO
}
