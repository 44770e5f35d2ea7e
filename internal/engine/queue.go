// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
	"zqublkd/zoned"
)

// lane is what a queue of the driver offers to the requests on it. *ublk.Queue
// is the real one.
// The numbers of steps are those of type step.
type lane interface {
	Desc(tag uint16) ublk.IODesc
	Complete(tag uint16, res int32)
	CompleteAppend(tag uint16, res int32, sector uint64)
	ReadFile(tag uint16, step uint8, fd int, buf []byte, off uint64)
	WriteFile(tag uint16, step uint8, fd int, buf []byte, off uint64)
	WriteFromRequest(tag uint16, fetch, write uint8, at uint32, buf []byte, fd int, off uint64)
	CompleteRead(tag uint16, step uint8, buf []byte)
	CopyFromRequestNow(tag uint16, off uint32, buf []byte) (int, unix.Errno)
	CopyToRequestNow(tag uint16, off uint32, buf []byte) (int, unix.Errno)
	Registered(tag uint16) bool
	ReadFilePages(tag uint16, step uint8, fd int, n uint32, off uint64)
	WriteFilePages(tag uint16, step uint8, fd int, n uint32, off uint64)
	Wake()
}

// Queue serves one queue of the driver. All its methods but post run on the
// queue's thread.
type Queue struct {
	disk  *Disk
	id    int
	lane  lane
	slots []slot
	bufs  *buffers
	inbox inbox

	counters counters
	asking   asking

	copied  atomic.Uint64 // requests whose data went through a buffer of ours, for status
	beats   atomic.Uint64 // wake-ups so far, for the watchdog
	current *slot         // being worked on, for guard
	answers []uint16      // tags whose answers have not gone to the kernel yet
	resting bool          // paused, and everything begun has been answered
	now     int64         // when the first request since the last submission came, coarse; 0: none has
}

// NewQueue prepares queue id with depth tags of at most maxIO bytes.
func NewQueue(d *Disk, id int, depth uint16, maxIO uint32) (*Queue, error) {
	bufs, err := newBuffers(int(depth), maxIO)
	if err != nil {
		return nil, err
	}
	q := &Queue{disk: d, id: id, slots: make([]slot, depth), bufs: bufs, answers: make([]uint16, 0, 2*int(depth))}
	for i := range q.slots {
		s := &q.slots[i]
		s.q, s.tag = q, uint16(i)
		s.op.Owner, s.answered = s, true
	}
	return q, nil
}

// Options are those that the queue needs of the driver's, whose thread runs on
// cpus.
func (q *Queue) Options(cpus ublk.CPUSet) ublk.QueueOptions {
	return ublk.QueueOptions{OnSubmit: q.submitting, CPUs: cpus, Files: q.disk.descriptors(),
		Memory: q.bufs.small.Bytes()}
}

// Attach gives the queue the driver's, before the first request.
func (q *Queue) Attach(l lane) { q.lane = l }

// Copied counts the requests whose data went through a buffer of ours.
func (q *Queue) Copied() uint64 { return q.copied.Load() }

// Ping wakes the queue's thread up. Whether it has come round is seen in Beats.
func (q *Queue) Ping() { q.lane.Wake() }

// Beats counts how often the queue's thread has been woken up.
func (q *Queue) Beats() uint64 { return q.beats.Load() }

// Close gives the buffers back, once the driver's queue has ended.
func (q *Queue) Close() error { return q.bufs.close() }

// Request implements ublk.Handler: a new request is on tag.
func (q *Queue) Request(_ *ublk.Queue, tag uint16) {
	defer q.guard()
	if q.disk.pause.on.Load() && !q.disk.pause.cut.Load() {
		return // it is sent again to the next daemon
	}
	s := &q.slots[tag]
	q.current = s
	q.release(s) // of the last request on this tag, answered by now
	s.desc, s.err, s.moved, s.limit, s.writtenBefore = q.lane.Desc(tag), nil, 0, 0, 0
	s.granted, s.durable, s.answered, s.parked = false, false, false, false
	q.counters.began(s)
	s.operation = operationOf(s.desc.Op())
	if s.judged {
		s.judged, s.hit = false, nil
	}
	s.op.Outcome = zoned.Pending
	s.op.At = q.clock()
	s.came = 0
	if q.disk.tracer.Load() != nil {
		s.came, s.op.Turn = time.Now().UnixNano(), 0
	}
	q.disk.state.Free(q.id, tag)
	if q.disk.pause.on.Load() {
		q.refuse(s, ErrPowerCut)
	} else {
		q.begin(s)
	}
	q.drain()
}

// Done implements ublk.Handler: the file I/O of tag has ended.
func (q *Queue) Done(_ *ublk.Queue, tag uint16, at uint8, res int32) {
	defer q.guard()
	q.resume(&q.slots[tag], step(at), res)
	q.drain()
}

// Woken implements ublk.Handler: slots have been handed back.
func (q *Queue) Woken(*ublk.Queue) {
	defer q.guard()
	q.beats.Add(1)
	q.reply()
	q.drain()
}

// submitting notes, right before the kernel hears of them, that answers are on
// their way: from then on an append's address may be known.
func (q *Queue) submitting() {
	q.counters.submitting(q.slots, q.answers)
	for _, tag := range q.answers {
		q.disk.state.Commit(q.id, tag)
	}
	q.answers = q.answers[:0]
	q.now = 0
}

// tick is as exact as the time of a request is, 17 ms: who stores it, for others to
// read, seldom has to.
const tick = 1 << 24

// clock is the time for requests that come together, which share a look at it.
func (q *Queue) clock() int64 {
	if q.now == 0 {
		q.now = time.Now().UnixNano() &^ (tick - 1)
	}
	return q.now
}

// guard makes a panic of ours an I/O error of the request it happened in.
func (q *Queue) guard() {
	v := recover()
	if v == nil {
		return
	}
	s := q.current
	err := q.disk.panicked(v)
	if s == nil || s.answered {
		return
	}
	s.err = err
	if s.granted {
		q.disk.abandon(s)
	} else {
		q.refuse(s, err)
	}
	q.lane.Wake()
}

// drain goes on with the slots that were handed back.
func (q *Queue) drain() {
	for s := q.inbox.take(); s != nil; s = q.inbox.take() {
		for s != nil {
			next := s.posted
			s.posted = nil
			q.resume(s, s.at, 0)
			s = next
		}
	}
	if q.disk.pause.on.Load() {
		q.rest()
	}
}

// dispatch goes on with the requests that an End of the rules gave back. self
// is the queue whose thread this is, nil on a worker.
func (d *Disk) dispatch(list *zoned.Op, self *Queue) {
	for o := list; o != nil; {
		next := o.Next()
		s := o.Owner.(*slot)
		at := stepAnswer
		if o.Outcome == zoned.Retry {
			at = stepBegin
		} else {
			s.err = o.Err
		}
		switch {
		case s.q != self:
			s.q.post(s, at)
		case at == stepAnswer:
			s.q.answer(s)
		default:
			s.at = at
			s.q.inbox.push(s)
		}
		o = next
	}
}
