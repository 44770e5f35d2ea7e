// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"maps"
	"sync"
	"time"

	"zqublkd/internal/tally"
	"zqublkd/zoned"
)

// RequestError is a request that was answered with an error.
type RequestError struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
	// Of one that the zone rules refused: the rule's name, and who had the slots if
	// it is about these.
	Rule    string             `json:"rule,omitempty"`
	Holders []zoned.SlotHolder `json:"holders,omitempty"`
}

// lastErrors keeps the last refused requests. Only failing requests come here.
type lastErrors struct {
	mu    sync.Mutex
	last  [64]RequestError
	count uint64
	rules map[string]uint64 // how many broke each; tally.Other: none of ours
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

// refused is add for a request, which is counted.
func (r *lastErrors) refused(err error) {
	rule := tally.Other
	if broken := (*zoned.Error)(nil); errors.As(err, &broken) {
		rule = broken.Rule.String()
	}
	r.add(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rules == nil {
		r.rules = map[string]uint64{}
	}
	r.rules[rule]++
}

// counts is how many requests broke each rule.
func (r *lastErrors) counts() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.rules)
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
