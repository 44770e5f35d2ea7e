// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"time"
	"unsafe"
)

// Timespec is struct __kernel_timespec. Give the kernel only ones that lie in Mem.
type Timespec struct {
	Sec, Nsec int64
}

// Set makes t the duration d; a negative one becomes zero.
func (t *Timespec) Set(d time.Duration) {
	d = max(d, 0)
	t.Sec, t.Nsec = int64(d/time.Second), int64(d%time.Second)
}

// TimespecAt lays a Timespec over the 16 bytes of m at offset off (bytes, a multiple of 8).
func TimespecAt(m *Mem, off int) *Timespec {
	return (*Timespec)(unsafe.Pointer(&m.Bytes()[off : off+16][0]))
}

// eventsArg is struct io_uring_getevents_arg, the argument of an enter with a time limit.
type eventsArg struct {
	sigmask   uint64
	sigmaskSz uint32
	minWaitUS uint32
	ts        uint64
}
