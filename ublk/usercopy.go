// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Layout of a position on the char device that means "byte off of the request on tag of queue"
// (UBLKSRV_IO_BUF_OFFSET and the bit counts beside it, include/uapi/linux/ublk_cmd.h).
const (
	copyBase     = 0x80000000
	copyTagBit   = 25
	copyQueueBit = 41
)

// copyPos is the file position of a user copy, bytes.
func copyPos(queue uint16, tag uint16, off uint32) uint64 {
	return copyBase + uint64(queue)<<copyQueueBit + uint64(tag)<<copyTagBit + uint64(off)
}

// CopyFromRequestNow copies request data of a WRITE or ZONE_APPEND, from byte off on, into buf at
// once. Any goroutine may call it while the server holds the tag. It returns the bytes copied,
// fewer than len(buf) only at the request's end.
func (q *Queue) CopyFromRequestNow(tag uint16, off uint32, buf []byte) (int, syscall.Errno) {
	return copyNow(unix.SYS_PREAD64, q.dev.fd, copyPos(q.id, tag, off), buf)
}

// CopyToRequestNow copies buf into a READ or REPORT_ZONES from byte off of the request on. See
// CopyFromRequestNow. A report may be cut short: the kernel's buffer can be smaller than what is
// asked for, which is no error.
func (q *Queue) CopyToRequestNow(tag uint16, off uint32, buf []byte) (int, syscall.Errno) {
	return copyNow(unix.SYS_PWRITE64, q.dev.fd, copyPos(q.id, tag, off), buf)
}

// copyNow is pread or pwrite without a word to the scheduler: the driver copies and never sleeps
// for long.
func copyNow(call uintptr, fd int, pos uint64, buf []byte) (int, syscall.Errno) {
	for {
		n, _, e := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
			uintptr(len(buf)), uintptr(pos), 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}
