// SPDX-License-Identifier: Apache-2.0

package groupcommit

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// A barrier that is under way does not count for who comes later; the next one
// counts for all who came meanwhile.
func TestSharing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, returned atomic.Int32
		proceed := make(chan bool)
		g := New(func() error {
			began.Add(1)
			<-proceed
			return nil
		})
		wait := func() {
			g.Wait()
			returned.Add(1)
		}
		expect := func(when string, wantBegan, wantReturned int32) {
			t.Helper()
			synctest.Wait()
			if b, r := began.Load(), returned.Load(); b != wantBegan || r != wantReturned {
				t.Errorf("%s: %d barriers begun, %d callers served; want %d, %d", when, b, r, wantBegan, wantReturned)
			}
		}
		go wait()
		expect("first caller", 1, 0)
		for range 5 {
			go wait()
			synctest.Wait()
		}
		expect("five more", 1, 0)
		proceed <- true
		expect("first barrier ended", 2, 1)
		proceed <- true
		expect("second barrier ended", 2, 6)
	})
}

// outcome is how a barrier of the model ends.
type outcome int

const (
	succeeds outcome = iota
	fails
	panics
	exits // ends the goroutine it runs on
	outcomes
)

var errBarrier = errors.New("barrier failed")

// check judges the error of a caller whose barrier had an outcome.
func (o outcome) check(err error) bool {
	var panicked *PanicError
	switch o {
	case succeeds:
		return err == nil
	case fails:
		return errors.Is(err, errBarrier)
	case panics:
		return errors.As(err, &panicked) && panicked.Value == any("planted") && len(panicked.Stack) > 0
	}
	return errors.Is(err, errUnfinished)
}

// TestModel holds random callers and barriers against the rule: a caller
// returns when the first barrier that began after its call has ended, with the
// error of that one and no other, whatever barriers come to.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 60).Draw(rt, "steps")
		ends := rapid.SliceOfN(rapid.IntRange(0, int(outcomes)-1), len(steps)+1, len(steps)+1).Draw(rt, "ends")
		synctest.Test(t, func(*testing.T) { runModel(rt, steps, ends) })
	})
}

// runModel makes a call on steps 1 to 3 and ends the barrier under way on 0.
func runModel(rt *rapid.T, steps, ends []int) {
	began, ended := 0, 0 // barriers
	proceed := make(chan bool)
	g := New(func() error {
		how := outcome(ends[began])
		began++
		<-proceed
		switch how {
		case fails:
			return errBarrier
		case panics:
			panic("planted")
		case exits:
			runtime.Goexit()
		}
		return nil
	})
	calls := 0
	var returned atomic.Int32
	call := func() {
		mine := began // the number of the barrier that counts for this call
		calls++
		go func() {
			exited := true
			defer func() {
				returned.Add(1)
				if exited && outcome(ends[mine]) != exits {
					rt.Errorf("a caller of barrier %d did not return", mine)
				}
			}()
			err := g.Wait()
			exited = false
			if ended <= mine || !outcome(ends[mine]).check(err) {
				rt.Errorf("a caller of barrier %d, which ends as %d: got %v after %d barriers", mine, ends[mine], err, ended)
			}
		}()
		synctest.Wait()
	}
	end := func() {
		ended++
		proceed <- true
		synctest.Wait()
	}
	for _, step := range steps {
		if step > 0 {
			call()
		} else if began > ended {
			end()
		}
	}
	for began > ended {
		end()
	}
	if n := int(returned.Load()); n != calls {
		rt.Errorf("%d of %d callers are served", n, calls)
	}
}

// TestHammer: under real concurrency each caller finds what it did before its
// call covered by a barrier.
func TestHammer(t *testing.T) {
	var written, covered atomic.Int64
	g := New(func() error {
		now := written.Load()
		runtime.Gosched()
		covered.Store(now)
		return nil
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				mine := written.Add(1)
				if err := g.Wait(); err != nil || covered.Load() < mine {
					t.Errorf("%v; %d is not covered, only %d", err, mine, covered.Load())
					return
				}
			}
		})
	}
	all.Wait()
}
