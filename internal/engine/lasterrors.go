package engine

import (
	"sync"
	"time"
)

// Refusal is a request that was answered with an error.
type Refusal struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// refusals keeps the last refused requests. Only failing requests come here.
type refusals struct {
	mu    sync.Mutex
	last  [64]Refusal
	count uint64
}

func (r *refusals) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.count%uint64(len(r.last))] = Refusal{Time: time.Now(), Text: err.Error()}
	r.count++
}

// list is what is kept, oldest first.
func (r *refusals) list() []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.count, uint64(len(r.last)))
	out := make([]Refusal, 0, n)
	for i := r.count - n; i < r.count; i++ {
		out = append(out, r.last[i%uint64(len(r.last))])
	}
	return out
}
