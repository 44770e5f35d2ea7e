// SPDX-License-Identifier: Apache-2.0

// Package groupcommit lets callers that need a barrier at the same time share
// one: a barrier counts for everybody who asked before it began.
//
//	g := groupcommit.New(file.Datasync)
//	err := g.Wait() // what was written before the call is durable now
package groupcommit

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// Group shares the runs of one barrier. Its methods may be called from any
// goroutine, but not from within the barrier.
type Group struct {
	barrier func() error

	mu      sync.Mutex
	ended   sync.Cond
	running bool
	next    *round // that callers join now: it has not begun
}

// round is one run of the barrier and what came of it.
type round struct {
	ended bool
	err   error
}

// New returns a group that shares the runs of barrier.
func New(barrier func() error) *Group {
	g := &Group{barrier: barrier, next: &round{}}
	g.ended.L = &g.mu
	return g
}

// Wait returns when a barrier that began after the call has ended, with the
// error of that barrier. One of the callers that share it runs it.
func (g *Group) Wait() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.next
	for !r.ended {
		if g.running {
			g.ended.Wait()
		} else {
			g.run()
		}
	}
	return r.err
}

// run runs the round that callers have joined so far. It is called with mu held
// and gives it up meanwhile. However the barrier ends, the group goes on.
func (g *Group) run() {
	r := g.next
	g.next, g.running = &round{}, true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.running, r.ended = false, true
		g.ended.Broadcast()
	}()
	r.err = errUnfinished // stays if the barrier ends its goroutine
	r.err = protected(g.barrier)
}

var errUnfinished = errors.New("the barrier did not return")

// PanicError is the error of a barrier that has panicked: its callers do not
// know what it has done.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("internal error in a barrier: %v", e.Value) }

// protected calls f and makes a panic of it an error.
func protected(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
