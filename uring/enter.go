// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EnterRaw submits all queued SQEs and waits until at least wait completions are there, without
// telling the Go scheduler that it may sleep (see the package's doc). It returns the number of SQEs
// taken. An interruption shows as EINTR only if nothing was submitted; either way the completion
// queue may be empty.
func (r *Ring) EnterRaw(wait uint32) (int, syscall.Errno) {
	return enterRaw(r.enterFD, r.publish(), wait, r.flags|enterGetEvents)
}

// Enter is EnterRaw as an ordinary blocking system call.
func (r *Ring) Enter(wait uint32) (int, syscall.Errno) {
	n, _, e := unix.Syscall6(unix.SYS_IO_URING_ENTER, r.enterFD, uintptr(r.publish()), uintptr(wait),
		uintptr(r.flags|enterGetEvents), 0, 0)
	return int(n), e
}

// EnterTimeout is Enter that waits no longer than d: ETIME says that the time is over.
func (r *Ring) EnterTimeout(wait uint32, d time.Duration) (int, syscall.Errno) {
	m := r.ext.Bytes()
	ts := TimespecAt(r.ext, extTimespec)
	ts.Set(d)
	arg := (*eventsArg)(unsafe.Pointer(&m[0]))
	*arg = eventsArg{ts: uint64(uintptr(unsafe.Pointer(ts)))}
	n, _, e := unix.Syscall6(unix.SYS_IO_URING_ENTER, r.enterFD, uintptr(r.publish()), uintptr(wait),
		uintptr(r.flags|enterGetEvents|enterExtArg), uintptr(unsafe.Pointer(arg)), unsafe.Sizeof(*arg))
	return int(n), e
}

// enterRaw must not be inlined: its prologue is where the scheduler stops a thread that comes back
// interrupted.
//
//go:noinline
func enterRaw(fd uintptr, submit, wait, flags uint32) (int, syscall.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, fd, uintptr(submit), uintptr(wait), uintptr(flags), 0, 0)
	return int(n), e
}
