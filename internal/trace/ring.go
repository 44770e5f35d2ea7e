// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math/bits"
	"sync/atomic"
)

// ring is a bounded queue of records: any number of goroutines put, one takes.
// Nobody waits for another.
type ring struct {
	cells   []cell
	mask    uint64
	_       [64]byte // those who put and the one who takes share no cache line
	head    atomic.Uint64
	dropped [Implicit + 1]atomic.Uint64 // by kind
	_       [64]byte
	tail    uint64 // the taker's
}

// cell is the place of one record. turn says whose it is: n where the n-th
// record can be put, n+1 when it is there.
type cell struct {
	turn   atomic.Uint64
	record Record
}

// newRing returns a ring with room for n records, rounded up to a power of two.
func newRing(n int) *ring {
	size := uint64(1) << bits.Len64(uint64(max(n, 2)-1))
	r := &ring{cells: make([]cell, size), mask: size - 1}
	for i := range r.cells {
		r.cells[i].turn.Store(uint64(i))
	}
	return r
}

// put adds a record, or counts it as dropped.
func (r *ring) put(rec *Record) {
	for at := r.head.Load(); ; at = r.head.Load() {
		c := &r.cells[at&r.mask]
		switch turn := c.turn.Load(); {
		case turn == at:
			if r.head.CompareAndSwap(at, at+1) {
				c.record = *rec
				c.turn.Store(at + 1)
				return
			}
		case turn < at: // what was put a round ago has not been taken
			r.dropped[rec.Kind].Add(1)
			return
		}
	}
}

// lost is what has been dropped so far.
func (r *ring) lost() Lost {
	return Lost{r.dropped[Request].Load(), r.dropped[Zone].Load(), r.dropped[Implicit].Load()}
}

// take moves the oldest record to rec, if there is one.
func (r *ring) take(rec *Record) bool {
	c := &r.cells[r.tail&r.mask]
	if c.turn.Load() != r.tail+1 {
		return false
	}
	*rec = c.record
	c.turn.Store(r.tail + r.mask + 1)
	r.tail++
	return true
}
