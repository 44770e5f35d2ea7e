package uring

import (
	"encoding/binary"
	"math/bits"
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

// pollMask is the 32-bit mask poll wants: half-words swapped on big-endian machines.
func pollMask(events uint16) uint32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return uint32(events)
	}
	return bits.RotateLeft32(uint32(events), 16)
}
