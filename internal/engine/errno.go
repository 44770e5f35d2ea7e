// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"

	"golang.org/x/sys/unix"

	"zqublkd/internal/fault"
	"zqublkd/qcow2"
	"zqublkd/zoned"
)

// errnoOf is what the kernel is told of err. The block layer maps
// ETOOMANYREFS and EOVERFLOW to its zone resource errors and hands them to the
// caller of write(2) unchanged; a broken zone rule is EIO, as on a real drive.
func errnoOf(err error) unix.Errno {
	var wanted *fault.Error
	if errors.As(err, &wanted) {
		return wanted.No
	}
	var rule *zoned.Error
	if errors.As(err, &rule) {
		return rule.Rule.Errno()
	}
	if errors.Is(err, qcow2.ErrFailed) {
		return unix.EIO // whatever it was that failed, trying again won't help
	}
	for _, passed := range []unix.Errno{unix.ENOSPC, unix.ENOMEM, unix.EOPNOTSUPP} {
		if errors.Is(err, passed) {
			return passed
		}
	}
	if errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return unix.ENOSPC
	}
	return unix.EIO
}
