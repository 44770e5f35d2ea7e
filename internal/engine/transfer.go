// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
)

// readCopy reads the data of a request by way of a buffer of ours.
func (q *Queue) readCopy(s *slot) {
	s.buf = q.bufs.take(s.tag, s.desc.Bytes())
	q.read(s)
}

// read starts the next piece of file I/O, hands s to a worker, or ends it when
// nothing is left.
func (q *Queue) read(s *slot) {
	for s.left() > 0 {
		q.counters.lookups++
		e := q.disk.img.Lookup(s.off+s.moved, s.left())
		piece := s.buf[s.moved : s.moved+e.Len]
		switch e.Kind {
		case qcow2.Data, qcow2.Shared:
			fd, ok := q.disk.fd(e, piece)
			if !ok {
				q.hand(s, stepRest)
				return
			}
			s.piece = len(piece)
			q.lane.ReadFile(s.tag, uint8(stepPiece), fd, piece, e.Host)
			return
		case qcow2.Zero:
			clear(piece)
			s.moved += e.Len
		case qcow2.Miss:
			q.resolve(s)
			return
		default:
			q.hand(s, stepRest)
			return
		}
	}
	clear(s.buf[s.limit:])
	q.end(s)
}

// writeCopy copies the data of a write out of the request and writes it: in one
// submission where all of it is one piece of the file.
func (q *Queue) writeCopy(s *slot) {
	q.copied.Add(1)
	s.limit = s.desc.Bytes() - s.writtenBefore
	s.buf = q.bufs.take(s.tag, s.limit)
	from := uint32(s.writtenBefore)
	q.counters.lookups++
	if e := q.disk.img.Lookup(s.off, s.limit); e.Kind == qcow2.Data && e.Len == s.limit {
		if fd, ok := q.disk.fd(e, s.buf); ok {
			s.piece = len(s.buf)
			q.lane.WriteFromRequest(s.tag, uint8(stepFetchFailed), uint8(stepPiece), from, s.buf, fd, e.Host)
			return
		}
	}
	if got, errno := q.lane.CopyFromRequestNow(s.tag, from, s.buf); errno != 0 || got != len(s.buf) {
		s.err = copyError(result(got, errno), len(s.buf))
		q.end(s)
		return
	}
	q.write(s)
}

// write is read for data that goes to the file.
func (q *Queue) write(s *slot) {
	if s.left() == 0 {
		q.end(s)
		return
	}
	q.counters.lookups++
	e := q.disk.img.Lookup(s.off+s.moved, s.left())
	switch e.Kind {
	case qcow2.Data:
	case qcow2.Zero:
		q.hand(s, stepEnsure)
		return
	case qcow2.Miss:
		q.resolve(s)
		return
	default: // what is there has to be copied, but for what is written over it
		q.hand(s, stepRest)
		return
	}
	piece := s.buf[s.moved : s.moved+e.Len]
	fd, ok := q.disk.fd(e, piece)
	if !ok {
		q.hand(s, stepRest)
		return
	}
	s.piece = len(piece)
	q.lane.WriteFile(s.tag, uint8(stepPiece), fd, piece, e.Host)
}

// resolve has the tables loaded that the cache does not have.
func (q *Queue) resolve(s *slot) {
	q.counters.misses++
	q.hand(s, stepResolve)
}

// pieceDone goes on after a piece of file I/O. A short one, or one that was
// interrupted, is finished by a worker: it is the end of the file, or a device's
// trouble that the worker will name.
func (q *Queue) pieceDone(s *slot, res int32) {
	if errno := unix.Errno(-res); errno == unix.EINTR || errno == unix.EAGAIN {
		q.hand(s, stepRest)
		return
	}
	if res < 0 {
		s.err = fmt.Errorf("image file, %s of zone data at %d: %w", s.desc.Op(), s.off+s.moved, unix.Errno(-res))
		q.end(s)
		return
	}
	s.moved += uint64(res)
	if int(res) < s.piece {
		s.moved &^= uint64(q.disk.layers[0].mask) // the rest is of whole blocks again
		q.hand(s, stepRest)
		return
	}
	s.operation.data.next(q, s)
}

// end tells the rules that the I/O of s has ended, and answers what they say can
// be answered.
func (q *Queue) end(s *slot) {
	s.granted = false
	if s.spoiled() && s.err == nil {
		s.err = s.hit.Err
	}
	q.disk.dispatch(s.operation.end(q.disk.zones, &s.op, s.err), q)
	if s.operation.alone {
		q.answer(s)
	}
}

// copyError returns the error of a copy of want bytes of a request's data whose
// outcome is res, bytes or -errno.
func copyError(res int32, want int) error {
	if res < 0 {
		return fmt.Errorf("copy of a request's data: %w", unix.Errno(-res))
	}
	return fmt.Errorf("copy of a request's data: %d of %d bytes", res, want)
}

// result returns the outcome of a call in the form that a completion has.
func result(n int, errno unix.Errno) int32 {
	if errno != 0 {
		return -int32(errno)
	}
	return int32(n)
}
