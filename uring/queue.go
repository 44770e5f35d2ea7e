// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"sync/atomic"
	"unsafe"
)

// Next is a zeroed SQE at the end of the submission queue, or nil if the queue is full: enter, then
// ask again. Left as it is, it is an IORING_OP_NOP, which completes with 0.
func (r *Ring) Next() *SQE {
	q := &r.sq
	if q.tail-atomic.LoadUint32(q.head) >= q.entries {
		return nil
	}
	s := r.at(q.tail)
	*s = SQE{}
	if q.stride > SQEBytes {
		*(*SQE)(unsafe.Add(unsafe.Pointer(s), SQEBytes)) = SQE{}
	}
	q.tail++
	return s
}

// at is the slot of counter i.
func (r *Ring) at(i uint32) *SQE {
	return (*SQE)(unsafe.Add(r.sq.base, uintptr(i&r.sq.mask)*r.sq.stride))
}

// WidePayload is the 80-byte room for a command's payload in an SQE of a SetupSQE128 ring.
func (r *Ring) WidePayload(s *SQE) *[WideCmdBytes]byte {
	if r.sq.stride < 2*SQEBytes {
		panic("uring: WidePayload on a ring without SetupSQE128")
	}
	return (*[WideCmdBytes]byte)(unsafe.Add(unsafe.Pointer(s), CmdOffset))
}

// Pending is the number of SQEs taken by Next that the kernel hasn't consumed.
func (r *Ring) Pending() uint32 { return r.sq.tail - atomic.LoadUint32(r.sq.head) }

// Room is the number of SQEs that Next can still hand out.
func (r *Ring) Room() uint32 { return r.sq.entries - r.Pending() }

// publish shows the kernel all SQEs up to the tail and returns how many there are to submit.
func (r *Ring) publish() uint32 {
	atomic.StoreUint32(r.sq.shared, r.sq.tail)
	return r.Pending()
}

// Ready is the number of completions that can be reaped without entering the kernel.
func (r *Ring) Ready() uint32 { return atomic.LoadUint32(r.cq.tail) - atomic.LoadUint32(r.cq.head) }

// Reap takes the oldest completion, if there is one.
func (r *Ring) Reap() (CQE, bool) {
	q := &r.cq
	head := atomic.LoadUint32(q.head)
	if head == atomic.LoadUint32(q.tail) {
		return CQE{}, false
	}
	c := *(*CQE)(unsafe.Add(q.base, uintptr(head&q.mask)*CQEBytes))
	atomic.StoreUint32(q.head, head+1)
	return c, true
}
