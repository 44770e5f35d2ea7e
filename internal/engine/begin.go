package engine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// begin asks the rules about the request of s and starts it.
func (q *Queue) begin(s *slot) {
	z := q.disk.zones
	if err := q.disk.refuseChange(s.desc.Op()); err != nil {
		q.refuse(s, err)
		return
	}
	switch s.desc.Op() {
	case ublk.OpRead:
		q.beginRead(s)
	case ublk.OpWrite, ublk.OpZoneAppend:
		q.beginWrite(s)
	case ublk.OpFlush:
		q.hand(s, jobFlush)
	case ublk.OpReportZones:
		q.report(s)
	case ublk.OpZoneOpen:
		v, err := z.BeginOpen(&s.op, s.desc.Offset())
		q.judged(s, v, err)
	case ublk.OpZoneClose:
		v, err := z.BeginClose(&s.op, s.desc.Offset())
		q.judged(s, v, err)
	case ublk.OpZoneReset:
		v, err := z.BeginReset(&s.op, s.desc.Offset())
		q.own(s, v, err, jobReset)
	case ublk.OpZoneResetAll:
		v, err := z.BeginResetAll(&s.op)
		q.own(s, v, err, jobReset)
	case ublk.OpZoneFinish:
		v, err := z.BeginFinish(&s.op, s.desc.Offset())
		q.own(s, v, err, jobFinish)
	case ublk.OpDiscard, ublk.OpWriteZeroes:
		q.beginZero(s)
	default:
		q.refuse(s, fmt.Errorf("%s: %w", s.desc.Op(), unix.EOPNOTSUPP))
	}
}

// judged acts on a verdict; true: the request has been granted.
func (q *Queue) judged(s *slot, v zoned.Verdict, err error) bool {
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

// own starts the work of a request that has its zones for itself.
func (q *Queue) own(s *slot, v zoned.Verdict, err error, j job) {
	if q.disk.reissue.left.Load() > 0 {
		q.disk.reissue.changes(s.op.Zone, s.desc.Op() == ublk.OpZoneResetAll)
	}
	if q.judged(s, v, err) {
		q.hand(s, j)
	}
}

func (q *Queue) beginRead(s *slot) {
	off, n := s.desc.Offset(), s.desc.Bytes()
	v, readable, err := q.disk.zones.BeginRead(&s.op, off, n)
	if !q.judged(s, v, err) {
		return
	}
	s.off, s.limit = off, readable
	if readable == 0 {
		q.answerZeros(s, n)
		return
	}
	if readable == n && q.pass(s) {
		return
	}
	s.buf = q.bufs.take(s.tag, n)
	q.transfer(s)
}

func (q *Queue) beginWrite(s *slot) {
	if q.disk.reissue.left.Load() > 0 && q.repeat(s) {
		return
	}
	off, n := s.desc.Offset()+s.writtenBefore, s.desc.Bytes()-s.writtenBefore
	begin := q.disk.zones.BeginWrite
	if s.desc.Op() == ublk.OpZoneAppend {
		begin = q.disk.zones.BeginAppend
	}
	v, err := begin(&s.op, off, n)
	if !q.judged(s, v, err) {
		return
	}
	s.off = s.op.Start
	if !q.disk.geo.IsConventional(s.op.Zone) { // there a write that is sent again is a write like any other
		q.disk.state.Begin(q.id, s.tag, statefile.InFlight{Kind: s.op.Kind, Zone: s.op.Zone, Start: s.off - s.writtenBefore, Length: n + s.writtenBefore})
	}
	if q.disk.ahead.short(s.op.Zone, s.op.Start+n) {
		q.hand(s, jobReserve)
		return
	}
	q.move(s)
}

// move starts the I/O of a write whose place is known.
func (q *Queue) move(s *slot) {
	if !q.pass(s) {
		q.fetchData(s)
	}
}

// fetchData copies the data of a write out of the request and writes it: in
// one submission where all of it is one piece of the file.
func (q *Queue) fetchData(s *slot) {
	q.copied.Add(1)
	s.buf = q.bufs.take(s.tag, s.desc.Bytes()-s.writtenBefore)
	at := uint32(s.writtenBefore)
	if e := q.disk.img.Lookup(s.off, s.left()); e.Kind == qcow2.Data && e.Len == s.left() {
		if fd, ok := q.disk.fd(e, s.buf); ok {
			s.piece = len(s.buf)
			q.lane.WriteFromRequest(s.tag, byFetch, byCopy, at, s.buf, fd, e.Host)
			return
		}
	}
	if got, errno := q.lane.CopyFromRequestNow(s.tag, at, s.buf); errno != 0 || got != len(s.buf) {
		s.err = copyError(result(got, errno), len(s.buf))
		q.end(s)
		return
	}
	q.transfer(s)
}

// beginZero is a discard or a write of zeros, which only a plain disk takes.
func (q *Queue) beginZero(s *slot) {
	v, err := q.disk.zones.BeginWrite(&s.op, s.desc.Offset(), s.desc.Bytes())
	if q.judged(s, v, err) {
		s.off = s.op.Start
		q.hand(s, jobZero)
	}
}
