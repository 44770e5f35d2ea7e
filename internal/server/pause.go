package server

import "sync/atomic"

// pause stops a disk from beginning requests.
type pause struct {
	on   atomic.Bool
	idle atomic.Int32 // queues that have answered all they had begun
}

// rest notes, on the queue's thread, that a paused queue has nothing left to
// answer and the kernel has heard its last answer.
func (q *queue) rest() {
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
