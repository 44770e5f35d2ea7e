// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrDisabled says that this process may not create rings: the sysctl kernel.io_uring_disabled
// forbids it, a seccomp filter does, or the kernel was built without io_uring.
var ErrDisabled = errors.New("io_uring is not available: set the sysctl kernel.io_uring_disabled to 0, " +
	"and allow io_uring_setup if a seccomp filter is in force")

// setupError puts words to what io_uring_setup(2) refused. The errno stays reachable with
// errors.Is.
func setupError(e syscall.Errno, entries uint32, flags SetupFlags) error {
	switch e {
	case syscall.EPERM, syscall.EACCES, syscall.ENOSYS:
		return fmt.Errorf("%w (io_uring_setup: %w)", ErrDisabled, e)
	case syscall.ENOMEM:
		return fmt.Errorf("io_uring_setup: no memory for %d entries, raise RLIMIT_MEMLOCK or ask for fewer: %w", entries, e)
	case syscall.EINVAL:
		return fmt.Errorf("io_uring_setup: this kernel takes not %d entries with flags %#x: %w", entries, uint32(flags), e)
	}
	return fmt.Errorf("io_uring_setup: %w", e)
}
