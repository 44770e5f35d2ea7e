// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/uring"
)

// maxWokenPanics is how many panics of Woken in a row a queue survives.
const maxWokenPanics = 64

// Run fetches all tags and serves their requests until the driver has taken every tag back
// (STOP_DEV, DEL_DEV, QUIESCE_DEV) or Quit was called, and nothing is in flight; then it returns
// nil. An error means that the queue is broken: end the process, so that the driver knows. It must
// run on the thread that made the queue (ErrWrongThread).
func (q *Queue) Run(h Handler) error {
	if unix.Gettid() != q.tid {
		return ErrWrongThread
	}
	if !q.quit.Load() {
		q.fetchAll()
		q.armWake()
	}
	for !q.over() {
		q.wait()
		for q.dispatch(h) {
		}
	}
	q.drain()
	return q.err
}

// fetchAll queues the FETCH of every tag.
func (q *Queue) fetchAll() {
	for t := range q.tags {
		q.command(uint16(t), ioFetch, 0, 0)
		q.tags[t].flying = 0
	}
}

// over says that Run has nothing left to do.
func (q *Queue) over() bool {
	return q.err != nil || q.gone == len(q.tags) || q.held == 0 && q.quit.Load()
}

// wait submits what is queued and waits for a completion. The raw wait holds a P; the runtime shows
// that it wants it by a signal, which ends the wait with nothing to show for it: then the next wait
// is one the runtime knows of.
func (q *Queue) wait() {
	q.submitting()
	if !q.opts.Blocking {
		_, e := q.ring.EnterRaw(1)
		q.entered(e)
	}
	for q.err == nil && q.ring.Ready() == 0 {
		_, e := q.ring.Enter(1)
		q.entered(e)
	}
}

// submitting tells who wants to know.
func (q *Queue) submitting() {
	if q.opts.OnSubmit != nil {
		q.opts.OnSubmit()
	}
}

// entered judges the result of entering the kernel.
func (q *Queue) entered(e syscall.Errno) {
	switch e {
	case 0, unix.EINTR:
	case unix.EAGAIN, unix.EBUSY: // short of memory, or of room for completions: reaping helps, spinning doesn't
		if q.ring.Ready() == 0 {
			time.Sleep(time.Millisecond)
		}
	default:
		q.fail(none, "io_uring_enter", e)
	}
}

// fail ends Run.
func (q *Queue) fail(tag int32, what string, e syscall.Errno) {
	if q.err == nil {
		q.err = &QueueError{Queue: int(q.id), Tag: int(tag), What: what, Errno: e}
	}
}

// dispatch hands out the completions there are. It is left early by a panic of the handler; again
// says so.
func (q *Queue) dispatch(h Handler) (again bool) {
	defer func() {
		if r := recover(); r != nil {
			again = true
			q.panicked(r)
		}
	}()
	for {
		c, ok := q.ring.Reap()
		if !ok {
			return false
		}
		q.handle(h, c)
		q.settle()
		q.active = none
	}
}

// handle hands out one completion.
func (q *Queue) handle(h Handler, c uring.CQE) {
	switch kind, t, step := unpack(c.UserData); kind {
	case kindCommand:
		q.fetched(h, t, c.Res)
	case kindStep:
		q.stepped(h, t, step, c.Res)
	case kindWake:
		q.woken(h, c.Res)
	}
}

// fetched takes the completion of a FETCH or COMMIT_AND_FETCH: a request, or the end of the tag.
func (q *Queue) fetched(h Handler, t uint16, res int32) {
	switch res {
	case 0:
		if q.quit.Load() {
			return
		}
		q.hold(t)
		q.active = int32(t)
		h.Request(q, t)
	case -int32(unix.ENODEV):
		q.tags[t].phase = ended
		q.gone++
	default:
		q.fail(int32(t), "fetch or commit refused by the driver", syscall.Errno(-res))
	}
}

// hold notes that the server has a request on t to answer.
func (q *Queue) hold(t uint16) {
	q.tags[t].phase = atServer
	q.held++
}

// stepped takes the completion of an SQE of the handler.
func (q *Queue) stepped(h Handler, t uint16, step uint8, res int32) {
	s := &q.tags[t]
	if s.phase == atKernel {
		q.hold(t) // the chain broke before its answer
	} else {
		s.flying--
	}
	if s.doomed {
		q.drop(t)
		return
	}
	q.active = int32(t)
	h.Done(q, t, step, res)
}

// woken takes the completion of the eventfd's READ.
func (q *Queue) woken(h Handler, res int32) {
	q.wake.armed = false
	if e := syscall.Errno(-res); res < 0 && e != unix.EINTR && e != unix.EAGAIN {
		q.fail(none, "read of the wake-up descriptor", e)
		return
	}
	q.wake.seen()
	q.armWake()
	q.waking = true
	h.Woken(q)
	q.waking, q.wokenPanics = false, 0
}

// armWake queues the READ of the eventfd.
func (q *Queue) armWake() {
	q.reserve()
	s := q.ring.Next()
	if s == nil {
		q.fail(none, "no room to wait for wake-ups", unix.EAGAIN)
		return
	}
	s.Read(q.wake.fd, q.wake.mem.Bytes()[:8], 0)
	s.UserData = userData(kindWake, 0, 0)
	q.wake.armed = true
}

// drain submits the last answers and ends the READ of the eventfd, the last thing in flight, so
// that nothing writes memory that is given back.
func (q *Queue) drain() {
	if q.err != nil || !q.wake.armed {
		return
	}
	q.wake.seen()
	q.wake.ring()
	for q.err == nil && q.wake.armed {
		q.wait()
		for c, ok := q.ring.Reap(); ok; c, ok = q.ring.Reap() {
			if kind, _, _ := unpack(c.UserData); kind == kindWake {
				q.wake.armed = false
			}
		}
	}
}
