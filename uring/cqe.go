// SPDX-License-Identifier: Apache-2.0

package uring

import "syscall"

// CQEBytes is the size of a completion entry in bytes.
const CQEBytes = 16

// CQE is struct io_uring_cqe (include/uapi/linux/io_uring.h): what one submission came to.
type CQE struct {
	UserData uint64
	Res      int32 // >= 0: the operation's result, < 0: -errno
	Flags    uint32
}

// Errno is the error of the completion, 0 if it succeeded.
func (c CQE) Errno() syscall.Errno {
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	return 0
}
