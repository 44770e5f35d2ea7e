// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"math"

	"zqublkd/ublk"
	"zqublkd/zoned"
)

// answer gives the request of s its one answer: success, or the errno of err.
func (q *Queue) answer(s *slot) {
	switch {
	case s.err != nil:
		q.refuse(s, s.err)
	case s.operation.fua && s.desc.FUA() && !s.durable:
		q.release(s)
		q.hand(s, stepFlush)
	default:
		q.answers = append(q.answers, s.tag)
		if t := q.disk.tracer.Load(); t != nil {
			q.trace(t, s, 0)
		}
		s.operation.result(q, s)
		s.answered = true
		q.counters.succeeded(s)
	}
}

// resultRead copies data into the request of s and answers it. The kernel does
// both when it hears of them, so that the buffer of s stays until the next
// request on its tag. Without a buffer the data is in the request's pages.
func (q *Queue) resultRead(s *slot) {
	n := s.desc.Bytes()
	switch {
	case s.limit == 0: // nothing of it holds data
		q.copied.Add(1)
		q.lane.CompleteRead(s.tag, uint8(stepAnswerFailed), q.disk.zeros[:n])
	case s.buf != nil:
		q.copied.Add(1)
		q.lane.CompleteRead(s.tag, uint8(stepAnswerFailed), s.buf)
	default:
		q.lane.Complete(s.tag, int32(n))
	}
}

// resultBytes answers a write.
func (q *Queue) resultBytes(s *slot) {
	q.release(s)
	q.lane.Complete(s.tag, int32(s.desc.Bytes()))
}

// resultAppend answers an append with the place that its data has.
func (q *Queue) resultAppend(s *slot) {
	q.release(s)
	q.lane.CompleteAppend(s.tag, int32(s.desc.Bytes()), s.off/ublk.SectorBytes)
}

// resultNone answers what moves no data.
func (q *Queue) resultNone(s *slot) { q.lane.Complete(s.tag, 0) }

// refuse answers s with the errno of err and keeps its words for status.
func (q *Queue) refuse(s *slot, err error) {
	q.release(s)
	q.disk.lastErrors.refused(err)
	q.counters.failed(s)
	q.answers = append(q.answers, s.tag)
	if t := q.disk.tracer.Load(); t != nil {
		q.trace(t, s, errnoOf(err))
	}
	q.lane.Complete(s.tag, -int32(errnoOf(err)))
	s.answered = true
}

// release gives back the buffer of s, if it has one.
func (q *Queue) release(s *slot) {
	if s.buf != nil {
		q.bufs.give(s.buf)
		s.buf = nil
	}
}

// report answers REPORT_ZONES from memory. The kernel's buffer may hold more
// than it asks for and must get exactly the zones asked for (one report may
// take several requests on some kernels); a result above its length is
// understood as all of it everywhere.
func (q *Queue) report(s *slot) {
	infos := q.disk.zones.Report(s.desc.Offset(), int(s.desc.Zones()))
	if uint32(len(infos)) != s.desc.Zones() {
		q.refuse(s, fmt.Errorf("report of %d zones at %d: outside the disk", s.desc.Zones(), s.desc.Offset()))
		return
	}
	buf := q.bufs.take(s.tag, min(uint64(len(infos))*ublk.BlkZoneBytes, q.bufs.size))
	s.buf = buf
	n := 0
	for _, z := range infos {
		if n+ublk.BlkZoneBytes > len(buf) {
			break
		}
		zone := blkZone(z)
		zone.Put(buf[n:])
		n += ublk.BlkZoneBytes
	}
	if _, errno := q.lane.CopyToRequestNow(s.tag, 0, buf[:n]); errno != 0 {
		q.refuse(s, copyError(-int32(errno), n))
		return
	}
	q.release(s)
	if t := q.disk.tracer.Load(); t != nil {
		q.trace(t, s, 0)
	}
	q.answers = append(q.answers, s.tag)
	q.lane.Complete(s.tag, math.MaxInt32&^4095)
	s.answered = true
	q.counters.succeeded(s)
}

// blkZone returns z in the kernel's form; zoned uses the kernel's condition codes.
func blkZone(z zoned.Info) ublk.BlkZone {
	b := ublk.BlkZone{
		Start: z.Start / ublk.SectorBytes, Len: z.Length / ublk.SectorBytes,
		WP: z.WP / ublk.SectorBytes, Capacity: z.Capacity / ublk.SectorBytes,
		Type: ublk.ZoneSequential, Cond: ublk.ZoneCond(z.Condition),
	}
	if z.Conventional {
		b.Type = ublk.ZoneConventional
	}
	return b
}
