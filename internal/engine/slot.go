// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync/atomic"

	"zqublkd/internal/fault"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// slot is the state of one tag of one queue: the request on it and how far it
// has come. It lives as long as the queue.
type slot struct {
	q    *Queue
	tag  uint16
	desc ublk.IODesc

	operation *operation // what is asked for

	op      zoned.Op // the request's place in its zone
	granted bool     // the rules granted it and wait for its end
	buf     []byte   // its data, while it has any
	off     uint64   // byte of the disk where the data lies
	moved   uint64   // bytes of it that are read or written
	limit   uint64   // bytes of it to read from the file or to write; what a read asks for above it is zeros
	piece   int      // bytes of the file I/O under way
	err     error    // how it went, when it comes back from a worker

	writtenBefore uint64 // bytes of its request that a dead daemon has written: none of them is in buf

	durable  bool // a flush has covered it
	answered bool

	parked bool  // waits for another request in its zone
	began  int64 // nanoseconds after epoch; 0: nobody wants to know
	came   int64 // the same by the clock, since 1970; 0: nobody traces

	judged bool       // the faults have been asked
	late   bool       // one of them holds it up
	hit    *fault.Hit // what they do to it

	at     step  // where it goes on, while it is in the queue's inbox
	posted *slot // below it there
}

// left returns the bytes of the request that are not read or written yet.
func (s *slot) left() uint64 { return s.limit - s.moved }

// inbox is a queue's list of slots that others have handed back to it.
type inbox struct{ head atomic.Pointer[slot] }

func (b *inbox) push(s *slot) {
	for {
		s.posted = b.head.Load()
		if b.head.CompareAndSwap(s.posted, s) {
			return
		}
	}
}

// take empties the inbox, oldest first.
func (b *inbox) take() *slot {
	if b.head.Load() == nil {
		return nil // nearly always; a swap would cost the most of all that a mapped read does
	}
	var oldest *slot
	for s := b.head.Swap(nil); s != nil; {
		below := s.posted
		s.posted, oldest = oldest, s
		s = below
	}
	return oldest
}
