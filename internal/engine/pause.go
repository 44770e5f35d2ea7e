package engine

import (
	"sync/atomic"
	"time"
)

// pause stops a disk from beginning requests.
type pause struct {
	on   atomic.Bool
	idle atomic.Int32 // queues that have answered all they had begun
}

// rest notes, on the queue's thread, that a paused queue has nothing left to
// answer and the kernel has heard its last answer.
func (q *Queue) rest() {
	if q.resting || len(q.answers) > 0 {
		return
	}
	for i := range q.slots {
		if !q.slots[i].answered {
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
	end := time.Now().Add(timeout)
	for int(d.pause.idle.Load()) < len(queues) {
		if time.Now().After(end) {
			return false, d.flush()
		}
		for _, q := range queues {
			q.lane.Wake()
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true, d.flush()
}
