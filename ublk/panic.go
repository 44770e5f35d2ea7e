// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"fmt"
	"runtime/debug"
	"syscall"
)

// Panic describes a panic of a handler.
type Panic struct {
	Queue   int
	Tag     int // -1: Woken panicked before it named a tag with Handling
	Request IODesc
	Value   any
	Stack   []byte
}

// Error is the panic in one line.
func (p Panic) Error() string {
	if p.Tag < 0 {
		return fmt.Sprintf("ublk queue %d: handler panicked: %v", p.Queue, p.Value)
	}
	return fmt.Sprintf("ublk queue %d tag %d (%s): handler panicked, answering EIO: %v", p.Queue, p.Tag, p.Request, p.Value)
}

// Handling tells the queue, from within Woken, which tag is being worked on: a panic is answered
// there.
func (q *Queue) Handling(tag uint16) { q.active = int32(tag) }

// panicked answers the tag whose handling panicked, as soon as nothing of it is in flight.
func (q *Queue) panicked(value any) {
	t := q.active
	q.active = none
	q.settle()
	q.report(t, value)
	if q.waking {
		q.waking = false
		q.missed()
	}
	if t == none {
		return
	}
	if s := &q.tags[t]; s.phase == atServer && !s.doomed {
		s.doomed = true
		q.drop(uint16(t))
	}
}

// missed makes Woken run again for what its panic left undone, unless it panics every time.
func (q *Queue) missed() {
	if q.wokenPanics++; q.wokenPanics > maxWokenPanics {
		q.fail(none, "handler panics whenever woken", syscall.EIO)
		return
	}
	q.Wake()
}

// report tells OnPanic.
func (q *Queue) report(t int32, value any) {
	if q.opts.OnPanic == nil {
		return
	}
	p := Panic{Queue: int(q.id), Tag: int(t), Value: value, Stack: debug.Stack()}
	if t != none {
		p.Request = q.Desc(uint16(t))
	}
	shielded(func() { q.opts.OnPanic(p) })
}

// drop answers EIO on a doomed tag once nothing of it is in flight.
func (q *Queue) drop(t uint16) {
	s := &q.tags[t]
	if s.flying > 0 {
		return
	}
	if q.opts.OnDrop != nil {
		shielded(func() { q.opts.OnDrop(q, t) })
		q.settle()
	}
	s.doomed = false
	if !shielded(func() { q.commit(t, -int32(syscall.EIO), 0) }) {
		q.fail(int32(t), "no room for an answer", syscall.EAGAIN)
	}
}

// shielded calls f and swallows its panic, so that dealing with one panic doesn't end in another.
// ok says there was none.
func shielded(f func()) (ok bool) {
	defer func() { _ = recover() }()
	f()
	return true
}
