// SPDX-License-Identifier: Apache-2.0

//go:build !race

package ublk

// checkThread costs a system call, so that only programs built for finding races make it.
func (q *Queue) checkThread() {}
