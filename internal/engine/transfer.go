package engine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// transfer moves the data of s from upto on: it starts the next piece of file
// I/O, hands s to a worker, or ends it when nothing is left.
func (q *Queue) transfer(s *slot) {
	if s.desc.Op() == ublk.OpRead {
		q.read(s)
	} else {
		q.write(s)
	}
}

func (q *Queue) read(s *slot) {
	for s.left() > 0 {
		e := q.disk.img.Lookup(s.off+s.moved, s.left())
		piece := s.buf[s.moved : s.moved+e.Len]
		switch e.Kind {
		case qcow2.Data, qcow2.Shared:
			fd, ok := q.disk.fd(e, piece)
			if !ok {
				q.hand(s, jobRead)
				return
			}
			s.piece = len(piece)
			q.lane.ReadFile(s.tag, byCopy, fd, piece, e.Host)
			return
		case qcow2.Zero:
			clear(piece)
			s.moved += e.Len
		case qcow2.Miss:
			q.hand(s, jobResolve)
			return
		default:
			q.hand(s, jobRead)
			return
		}
	}
	clear(s.buf[s.limit:])
	q.end(s)
}

func (q *Queue) write(s *slot) {
	if s.left() == 0 {
		q.end(s)
		return
	}
	e := q.disk.img.Lookup(s.off+s.moved, s.left())
	switch e.Kind {
	case qcow2.Data:
	case qcow2.Zero:
		q.hand(s, jobEnsure)
		return
	case qcow2.Miss:
		q.hand(s, jobResolve)
		return
	default: // what is there has to be copied, but for what is written over it
		q.hand(s, jobRest)
		return
	}
	piece := s.buf[s.moved : s.moved+e.Len]
	fd, ok := q.disk.fd(e, piece)
	if !ok {
		q.hand(s, jobRest)
		return
	}
	s.piece = len(piece)
	q.lane.WriteFile(s.tag, byCopy, fd, piece, e.Host)
}

// landed goes on after a piece of file I/O. A short one, or one that was
// interrupted, is finished by a worker: it is the end of the file, or a device's
// trouble it will name.
func (q *Queue) landed(s *slot, res int32) {
	if errno := unix.Errno(-res); errno == unix.EINTR || errno == unix.EAGAIN {
		q.hand(s, jobRest)
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
		q.hand(s, jobRest)
		return
	}
	q.transfer(s)
}

// end tells the rules that the I/O of s has ended, and answers what they say
// can be answered.
func (q *Queue) end(s *slot) {
	d := q.disk
	s.granted = false
	switch {
	case s.repeated:
		d.dispatch(d.zones.EndRead(&s.op), q)
		q.answer(s)
	case s.desc.Op() == ublk.OpRead:
		d.dispatch(d.zones.EndRead(&s.op), q)
		if s.buf != nil && s.err == nil {
			q.answerRead(s, s.buf)
		} else {
			q.answer(s)
		}
	default:
		d.dispatch(d.zones.EndWrite(&s.op, s.err), q)
	}
}

// answerZeros answers a granted read of n bytes that hold nothing.
func (q *Queue) answerZeros(s *slot, n uint64) {
	s.granted = false
	q.disk.dispatch(q.disk.zones.EndRead(&s.op), q)
	q.answerRead(s, q.disk.zeros[:n])
}

// answerRead copies data into the request of s and answers it. The kernel does
// both when it hears of them, so that the buffer of s stays until the next
// request on its tag.
func (q *Queue) answerRead(s *slot, data []byte) {
	q.copied.Add(1)
	q.answers = append(q.answers, s.tag)
	q.lane.CompleteRead(s.tag, byAnswer, data)
	s.answered = true
}

// copyError is what became of a copy of a request's data: res is its length or
// -errno.
func copyError(res int32, want int) error {
	if res < 0 {
		return fmt.Errorf("copy of a request's data: %w", unix.Errno(-res))
	}
	return fmt.Errorf("copy of a request's data: %d of %d bytes", res, want)
}

// result is the outcome of a call as a completion has it.
func result(n int, errno unix.Errno) int32 {
	if errno != 0 {
		return -int32(errno)
	}
	return int32(n)
}
