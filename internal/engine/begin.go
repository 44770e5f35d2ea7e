// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"zqublkd/internal/statefile"
	"zqublkd/zoned"
)

// begin asks the rules about the request of s and starts it.
func (q *Queue) begin(s *slot) {
	if set := q.disk.faults.set.Load(); set != nil && q.meet(s, set) {
		return
	}
	if s.operation.changes && q.disk.frozen.Load() {
		q.refuse(s, q.disk.unchangeable(s.desc.Op()))
		return
	}
	s.operation.begin(q, s)
}

// granted acts on a verdict of the rules, and reports whether they have granted the
// request.
func (q *Queue) granted(s *slot, v zoned.Verdict, err error) bool {
	s.parked = v == zoned.Parked
	switch v {
	case zoned.Refused:
		q.refuse(s, err)
	case zoned.Done:
		q.answer(s)
	case zoned.Granted:
		s.granted = true
		return true
	}
	return false
}

// beginFlush has no question to the rules.
func (q *Queue) beginFlush(s *slot) { q.hand(s, stepFlush) }

// beginAtOnce begins what the rules do alone, with no I/O.
func (q *Queue) beginAtOnce(s *slot) {
	v, err := s.operation.ask(q.disk.zones, &s.op, s.desc.Offset(), 0)
	q.granted(s, v, err)
}

// beginJob begins what is one job of a worker: a change of whole zones and, on a
// plain disk, a discard or a write of zeros.
func (q *Queue) beginJob(s *slot) {
	v, err := s.operation.ask(q.disk.zones, &s.op, s.desc.Offset(), s.desc.Bytes())
	if v != zoned.Refused && q.disk.reissue.left.Load() > 0 { // what is refused names no zone
		q.disk.reissue.changed(s.op.Zone, s.operation.allZones)
	}
	if q.granted(s, v, err) {
		q.hand(s, s.operation.job)
	}
}

func (q *Queue) beginRead(s *slot) {
	off, n := s.desc.Offset(), s.desc.Bytes()
	v, readable, err := q.disk.zones.BeginRead(&s.op, off, n)
	if !q.granted(s, v, err) {
		return
	}
	s.off, s.limit = off, readable
	switch {
	case readable == 0:
		q.end(s)
	case readable < n || !q.zeroCopy(s):
		q.readCopy(s)
	}
}

func (q *Queue) beginWrite(s *slot) {
	if q.disk.reissue.left.Load() > 0 && q.repeat(s) {
		return
	}
	off, n := s.desc.Offset()+s.writtenBefore, s.desc.Bytes()-s.writtenBefore
	v, err := s.operation.ask(q.disk.zones, &s.op, off, n)
	if !q.granted(s, v, err) {
		return
	}
	s.off = s.op.Start
	if !q.disk.geo.IsConventional(s.op.Zone) { // there a write that is sent again is a write like any other
		q.disk.state.Begin(q.id, s.tag, statefile.InFlight{
			Kind: s.op.Kind, Zone: s.op.Zone, Start: s.off - s.writtenBefore, Length: s.desc.Bytes(),
		})
	}
	if q.disk.volatile != nil && q.disk.geo.IsConventional(s.op.Zone) {
		q.hand(s, stepRemember)
		return
	}
	if q.disk.ahead.short(s.op.Zone, s.op.Start+n) {
		q.hand(s, stepReserve)
		return
	}
	q.start(s)
}

// start starts the I/O of a write whose place is known.
func (q *Queue) start(s *slot) {
	switch {
	case s.spoiled():
		q.tear(s)
	case !q.zeroCopy(s):
		q.writeCopy(s)
	}
}
