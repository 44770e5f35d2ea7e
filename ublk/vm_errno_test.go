// SPDX-License-Identifier: Apache-2.0

//go:build vm

package ublk

import (
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// passedOn are the errors the block layer has a status for. EREMCHG is for the kernel's device
// mapper only and must never be answered.
var passedOn = []syscall.Errno{syscall.EIO, syscall.EINVAL, syscall.ENOSPC, syscall.ETOOMANYREFS, syscall.EOVERFLOW,
	syscall.EOPNOTSUPP, syscall.ENOMEM, syscall.EBUSY, syscall.EAGAIN, syscall.ENODEV, syscall.EREMOTEIO, syscall.ENODATA,
	syscall.EILSEQ, syscall.ETIMEDOUT, syscall.ENOLINK, syscall.EBADE, syscall.ETIME}

// seenByClient is what the client of the disk gets to see when the server answers -e.
func seenByClient(e syscall.Errno) syscall.Errno {
	if slices.Contains(passedOn, e) {
		return e
	}
	return syscall.EIO
}

func TestErrorsReachTheClient(t *testing.T) {
	r := started(t, rigOptions{queues: 1})
	mem, err := unix.Mmap(-1, 0, rigBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	must(t, err)
	fd, err := unix.Open(r.info.BlockPath(), unix.O_WRONLY|unix.O_DIRECT, 0)
	must(t, err)
	defer unix.Close(fd)
	for e := syscall.Errno(1); e < 134; e++ {
		if e == syscall.EREMCHG {
			continue
		}
		r.disk.failWith.Store(int32(e))
		// The conventional zone: the kernel shuts a sequential one after a failure.
		if _, err := unix.Pwrite(fd, mem, 0); err != seenByClient(e) {
			t.Errorf("server answers %v: client got %v, want %v", e, err, seenByClient(e))
		}
	}
}
