// SPDX-License-Identifier: Apache-2.0

package engine

// step says where a request goes on. There are three ways to wait for it: a worker
// has the request and does the step (Queue.hand), a worker hands it back to its
// queue for it (Queue.post), or the step comes with the completion of I/O on the
// queue's ring (Queue.Done).
type step uint8

// Steps of the queue's thread, after a worker or the rules.
const (
	stepBegin    step = iota // ask the rules (again)
	stepTransfer             // go on reading or writing with what has not moved yet
	stepStart                // start the I/O of a write whose place is known
	stepEnd                  // the I/O has ended with err: tell the rules
	stepAnswer               // the rules have ended it with err: answer
	stepLate                 // a fault has held it up long enough
)

// Steps of the queue's thread, after I/O on its ring.
const (
	stepPiece        step = iota + stepLate + 1 // a piece went through a buffer of ours
	stepPages                                   // all went straight to or from the request's pages
	stepFetchFailed                             // the copy into our buffer has failed, before the write
	stepAnswerFailed                            // the copy out of our buffer has failed, before the answer
)

// Steps of a worker: all that may block.
const (
	stepResolve  step = iota + stepAnswerFailed + 1 // load the tables of its range
	stepEnsure                                      // take space for its range
	stepReserve                                     // the same, and host space for what the zone gets next
	stepRemember                                    // keep what its range was, for a power cut
	stepRest                                        // read or write all that is left of it
	stepDiscard                                     // give the space of its range back
	stepZero                                        // make its range zeros
	stepFlush
	stepReset
	stepFinish
)

// hand gives s to a worker. The channel has room for every tag, so this never
// waits.
func (q *Queue) hand(s *slot, at step) { q.disk.tasks <- task{s, at} }

// post hands s back to its queue, from any goroutine.
func (q *Queue) post(s *slot, at step) {
	s.at = at
	q.inbox.push(s)
	q.lane.Wake()
}

// resume goes on with s on the queue's thread. res is the outcome of I/O on the
// ring, bytes or -errno.
func (q *Queue) resume(s *slot, at step, res int32) {
	q.current = s
	switch at {
	case stepBegin:
		q.begin(s)
	case stepTransfer:
		s.operation.data.next(q, s)
	case stepStart:
		q.start(s)
	case stepEnd:
		q.end(s)
	case stepAnswer:
		q.answer(s)
	case stepLate:
		q.goOnLate(s)
	case stepPiece:
		q.pieceDone(s, res)
	case stepPages:
		q.pagesDone(s, res)
	case stepFetchFailed:
		s.err = copyError(res, len(s.buf))
		q.end(s)
	case stepAnswerFailed:
		s.answered = false
		q.counters.takeBack(s)
		q.refuse(s, copyError(res, int(s.desc.Bytes())))
	}
}
