// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Request is what a rule looks at. An append is at the start of its zone.
type Request struct {
	Op          Op
	First, Last uint32 // zones it is about
	Off, Bytes  uint64 // place on the disk
	Block       uint64 // bytes of a logical block
}

// Hit is what becomes of a request.
type Hit struct {
	Delay time.Duration // how long it is held up
	Err   *Error        // nil: it is only late
	Torn  uint64        // bytes of a write that arrive before it fails, whole blocks
}

// Error is the answer to a request that a rule has met.
type Error struct {
	ID  int // of the rule
	Op  Op
	Off uint64 // bytes of the disk
	No  unix.Errno
}

func (e *Error) Error() string {
	return fmt.Sprintf("fault %d: %s at %d: %v", e.ID, e.Op, e.Off, e.No)
}

// Unwrap is the errno.
func (e *Error) Unwrap() error { return e.No }

// armed is a rule with what it has seen.
type armed struct {
	Rule
	seen, met atomic.Uint64
}

// Set is the rules of a device. It does not change but for their counts; nil is one
// without rules.
type Set struct {
	rules []*armed
	last  int // ID that was given last
}

// Counted is a rule with the requests that fitted it and those that it met.
type Counted struct {
	Rule
	Seen uint64 `json:"seen"`
	Met  uint64 `json:"met"`
}

// List is the rules, in the order in which they were added.
func (s *Set) List() []Counted {
	var list []Counted
	if s != nil {
		for _, a := range s.rules {
			list = append(list, Counted{a.Rule, a.seen.Load(), min(a.met.Load(), a.most())})
		}
	}
	return list
}

// With is the set with one more rule, and the number it was given.
func (s *Set) With(r Rule) (*Set, int) {
	next := &Set{last: 1}
	if s != nil {
		next.rules, next.last = slices.Clone(s.rules), s.last+1
	}
	r.ID = next.last
	next.rules = append(next.rules, &armed{Rule: r})
	return next, r.ID
}

// Without is the set without the rule of a number, or without all for 0; false if
// there is no such rule.
func (s *Set) Without(id int) (*Set, bool) {
	if s == nil {
		return nil, id == 0
	}
	next := &Set{last: s.last}
	for _, a := range s.rules {
		if id != 0 && a.ID != id {
			next.rules = append(next.rules, a)
		}
	}
	return next, id == 0 || len(next.rules) < len(s.rules)
}

// Empty reports whether there are no rules.
func (s *Set) Empty() bool { return s == nil || len(s.rules) == 0 }

// Decide is what becomes of a request; nil: nothing. All rules that it fits see it:
// delays add up, and the first that fails it has the last word.
func (s *Set) Decide(q Request) *Hit {
	var hit *Hit
	for _, a := range s.rules {
		if !a.fits(q) {
			continue
		}
		luck, met := a.meets()
		if !met {
			continue
		}
		if hit == nil {
			hit = &Hit{}
		}
		hit.Delay = min(hit.Delay+a.delay(mix(luck+1)), MaxDelay)
		if a.Status == "" || hit.Err != nil {
			continue
		}
		hit.Err = &Error{ID: a.ID, Op: q.Op, Off: q.Off, No: a.Status.Errno()}
		if blocks := q.Bytes / q.Block; a.Torn && blocks > 1 {
			hit.Torn = (1 + mix(luck+2)%(blocks-1)) * q.Block
		}
	}
	return hit
}

// meets counts a request that fits, and reports whether the rule meets it, with a
// number that all else follows from.
func (a *armed) meets() (luck uint64, met bool) {
	n := a.seen.Add(1)
	luck = mix(mix(a.Seed) + n)
	if n <= a.After || a.Chance > 1 && luck%a.Chance != 0 {
		return 0, false
	}
	return luck, a.met.Add(1) <= a.most()
}

func (a *armed) most() uint64 {
	if a.Count == 0 {
		return ^uint64(0)
	}
	return a.Count
}

func (r *Rule) delay(luck uint64) time.Duration {
	return r.DelayMin + time.Duration(luck%uint64(r.DelayMax-r.DelayMin+1))
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
