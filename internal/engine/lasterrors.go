// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"sync"
	"time"

	"zqublkd/zoned"
)

// RequestError is a request that was answered with an error.
type RequestError struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
	// Of one that the zone rules refused: the rule's name, and who had the slots if
	// it is about these.
	Rule    string         `json:"rule,omitempty"`
	Holders []zoned.Holder `json:"holders,omitempty"`
}

// lastErrors keeps the last refused requests. Only failing requests come here.
type lastErrors struct {
	mu    sync.Mutex
	last  [64]RequestError
	count uint64
}

func (r *lastErrors) add(err error) {
	e := RequestError{Time: time.Now(), Text: err.Error()}
	if broken := (*zoned.Error)(nil); errors.As(err, &broken) {
		e.Rule, e.Holders = broken.Rule.String(), broken.Holders
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.count%uint64(len(r.last))] = e
	r.count++
}

// list is what is kept, oldest first.
func (r *lastErrors) list() []RequestError {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.count, uint64(len(r.last)))
	out := make([]RequestError, 0, n)
	for i := r.count - n; i < r.count; i++ {
		out = append(out, r.last[i%uint64(len(r.last))])
	}
	return out
}
