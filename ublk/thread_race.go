// SPDX-License-Identifier: Apache-2.0

//go:build race

package ublk

import "golang.org/x/sys/unix"

// checkThread panics if a queue's method is called from a thread that doesn't own it.
func (q *Queue) checkThread() {
	if unix.Gettid() != q.tid {
		panic(ErrWrongThread)
	}
}
