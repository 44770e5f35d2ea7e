package engine

import (
	"sync/atomic"

	"zqublkd/ublk"
	"zqublkd/zoned"
)

// slot is the state of one tag of one queue: the request on it and how far it
// has come. It lives as long as the queue.
type slot struct {
	q    *Queue
	tag  uint16
	desc ublk.IODesc

	op            zoned.Op // the request's place in its zone
	granted       bool     // the rules granted it and wait for its end
	buf           []byte   // its data, while it has any; length of the request
	off           uint64   // byte of the disk where the data lies
	moved         uint64   // bytes of it that are read or written
	piece         int      // bytes of the file I/O under way
	writtenBefore uint64   // bytes of its request that a dead daemon has written: none of them is in buf
	limit         uint64   // bytes of it to read from the file; the rest are zeros
	err           error    // how it went, when it comes back from a worker

	durable  bool // a flush has covered it
	repeated bool // an append that a dead daemon had placed: a read to the rules
	answered bool

	then   step
	posted *slot // below it in the queue's inbox
}

// step says where a slot goes on when it comes back to its queue.
type step uint8

const (
	thenBegin  step = iota // ask the rules (again)
	thenMap                // go on reading or writing at upto
	thenMove               // start the I/O of a write
	thenEnd                // the I/O has ended with err
	thenAnswer             // the rules have ended it with err
)

// left is what of the request is not read or written yet.
func (s *slot) left() uint64 {
	if s.desc.Op() == ublk.OpRead {
		return s.limit - s.moved
	}
	return uint64(len(s.buf)) - s.moved
}

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
