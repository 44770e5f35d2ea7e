// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync/atomic"
	"time"
)

// pause stops a disk from beginning requests.
type pause struct {
	on   atomic.Bool
	cut  atomic.Bool  // for good: those that come are refused
	idle atomic.Int32 // queues that have answered all they had begun
}

// rest notes, on the queue's thread, that a paused queue has nothing left to
// answer and the kernel has heard its last answer.
func (q *Queue) rest() {
	cut := q.disk.pause.cut.Load() // answers are no matter then, nor what has not begun
	if q.resting || len(q.answers) > 0 && !cut {
		return
	}
	for i := range q.slots {
		if s := &q.slots[i]; !s.answered && !(cut && s.late) {
			return
		}
	}
	q.resting = true
	q.disk.pause.idle.Add(1)
}

// Drain stops beginning requests, waits up to timeout for those in flight on
// queues, and makes the image durable. It reports whether all were answered.
func (d *Disk) Drain(queues []*Queue, timeout time.Duration) (answered bool, err error) {
	d.pause.on.Store(true)
	answered = d.quiet(queues, timeout)
	return answered, d.flush()
}

// quiet waits until all queues rest, and reports whether they did within timeout.
func (d *Disk) quiet(queues []*Queue, timeout time.Duration) bool {
	end := time.Now().Add(timeout)
	for int(d.pause.idle.Load()) < len(queues) {
		if time.Now().After(end) {
			return false
		}
		for _, q := range queues {
			q.lane.Wake()
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
}
