// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// newRing makes a ring for the length of a test, on a thread of its own.
func newRing(t testing.TB, o Options) *Ring {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, err := New(o)
	if errors.Is(err, ErrDisabled) {
		t.Skip("io_uring is forbidden on this machine; run the tests of this package in a test VM: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// queueRing is a ring as queue threads use it.
func queueRing(t testing.TB, entries uint32) *Ring {
	return newRing(t, Options{Entries: entries, CQEntries: 4 * entries,
		Flags: SetupSingleIssuer | SetupDeferTaskrun | SetupCoopTaskrun | SetupSubmitAll | SetupClamp | SetupNoSQArray})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mem(t testing.TB, n int) []byte {
	t.Helper()
	m, err := NewMem(n)
	must(t, err)
	t.Cleanup(func() { must(t, m.Free()) })
	return m.Bytes()
}

// reap enters until n completions are there and returns them; more than n are a failure.
func reap(t testing.TB, r *Ring, n int) []CQE {
	t.Helper()
	var got []CQE
	for len(got) < n {
		if _, e := r.EnterTimeout(1, time.Minute); e != 0 && e != unix.EINTR {
			t.Fatalf("enter: %v after %d of %d completions", e, len(got), n)
		}
		for c, ok := r.Reap(); ok; c, ok = r.Reap() {
			got = append(got, c)
		}
	}
	if !quiet(t, r, 20*time.Millisecond) {
		t.Fatalf("more than %d completions", n)
	}
	return got
}

// quiet reports whether no completion comes within d. A wait that a signal ends says nothing of
// that: on a busy machine the runtime interrupts many.
func quiet(t testing.TB, r *Ring, d time.Duration) bool {
	t.Helper()
	for end := time.Now().Add(d); ; {
		_, e := r.EnterTimeout(1, max(time.Until(end), 0))
		switch {
		case r.Ready() > 0:
			return false
		case e == unix.ETIME:
			return true
		case e != 0 && e != unix.EINTR:
			t.Fatalf("enter: %v", e)
		}
	}
}

// interrupt sends the calling thread the runtime's preemption signal now and then, until the test
// ends.
func interrupt(t testing.TB, every time.Duration) {
	tid, stop, ended := unix.Gettid(), make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(every):
				unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
			}
		}
	}()
}

// TestC31_WaitsOutlastSignals: the tests' own waits, beside as many signals as a busy machine
// brings.
func TestC31_WaitsOutlastSignals(t *testing.T) {
	r := queueRing(t, 8)
	interrupt(t, time.Millisecond)
	for range 10 {
		r.Next()
		reap(t, r, 1)
	}
	r.Next()
	if quiet(t, r, time.Minute) {
		t.Error("a completion was not seen")
	}
	reap(t, r, 1)
}

// results maps user data to results.
func results(cs []CQE) map[uint64]int32 {
	m := make(map[uint64]int32)
	for _, c := range cs {
		m[c.UserData] = c.Res
	}
	return m
}

var setups = map[string]Options{
	"plain":      {Entries: 8},
	"queue":      {Entries: 8, CQEntries: 32, Flags: SetupSingleIssuer | SetupDeferTaskrun | SetupCoopTaskrun | SetupSubmitAll | SetupNoSQArray},
	"sqe128":     {Entries: 8, Flags: SetupSQE128},
	"sqe128 raw": {Entries: 8, Flags: SetupSQE128 | SetupNoSQArray | SetupSingleIssuer},
}

func TestNops(t *testing.T) {
	for name, o := range setups {
		for how, enter := range map[string]func(*Ring, uint32) (int, syscall.Errno){"raw": (*Ring).EnterRaw, "blocking": (*Ring).Enter} {
			t.Run(name+"/"+how, func(t *testing.T) {
				r := newRing(t, o)
				for round := range uint64(1000) {
					for i := range uint64(5) {
						s := r.Next()
						s.UserData = round<<8 | i
					}
					if n, e := enter(r, 5); e != 0 || n != 5 {
						t.Fatalf("round %d: entered %d, %v", round, n, e)
					}
					for i := range uint64(5) {
						if c, ok := r.Reap(); !ok || c.Res != 0 || c.UserData != round<<8|i {
							t.Fatalf("round %d: completion %d is %+v, %v", round, i, c, ok)
						}
					}
				}
			})
		}
	}
}

func TestSubmissionQueueFull(t *testing.T) {
	r := queueRing(t, 8)
	for i := range 8 {
		if r.Next() == nil {
			t.Fatalf("no SQE %d of 8", i)
		}
	}
	if r.Next() != nil || r.Room() != 0 || r.Pending() != 8 {
		t.Errorf("a full queue gives SQEs: room %d, pending %d", r.Room(), r.Pending())
	}
	if n, e := r.EnterRaw(0); n != 8 || e != 0 {
		t.Errorf("entered %d, %v", n, e)
	}
	if r.Next() == nil {
		t.Error("no SQE after submission")
	}
}

func TestNextIsZeroed(t *testing.T) {
	r := newRing(t, Options{Entries: 2, Flags: SetupSQE128})
	for range 5 {
		s := r.Next()
		if *s != (SQE{}) || *r.WidePayload(s) != [WideCmdBytes]byte{} {
			t.Fatalf("not zero: %+v %v", *s, r.WidePayload(s))
		}
		s.UserData, s.Flags = 77, IOLink
		for i := range r.WidePayload(s)[CmdBytes:] {
			r.WidePayload(s)[CmdBytes+i] = 0xee
		}
		reap(t, r, 1)
	}
}

func TestCompletionsBeyondTheQueueAreKept(t *testing.T) {
	r := newRing(t, Options{Entries: 4, CQEntries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun})
	for i := range uint64(20) {
		s := r.Next()
		for s == nil {
			r.EnterRaw(0)
			s = r.Next()
		}
		s.UserData = i
	}
	r.EnterRaw(0)
	if n := r.Ready(); n != 4 {
		t.Errorf("%d completions are in a queue of 4, of 20", n)
	}
	for i, c := range reap(t, r, 20) {
		if c.UserData != uint64(i) {
			t.Errorf("completion %d is %d", i, c.UserData)
		}
	}
}

// TestRingModel submits and reaps batches of random sizes and expects every completion once and in
// order.
func TestRingModel(t *testing.T) {
	r := queueRing(t, 16)
	var next, seen uint64
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(map[string]func(*rapid.T){
			"queue": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					if s := r.Next(); s != nil {
						s.UserData = next
						next++
					}
				}
			},
			"enter": func(t *rapid.T) {
				pending := r.Pending()
				if n, e := r.EnterRaw(0); e != 0 || n != int(pending) {
					t.Fatalf("entered %d of %d: %v", n, pending, e)
				}
			},
			"reap": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					c, ok := r.Reap()
					if !ok {
						return
					}
					if c.UserData != seen || c.Res != 0 {
						t.Fatalf("completion %+v, expected %d", c, seen)
					}
					seen++
				}
			},
			"": func(t *rapid.T) {
				if next-seen < uint64(r.Pending()+r.Ready()) {
					t.Fatalf("%d taken, %d seen, %d pending, %d ready", next, seen, r.Pending(), r.Ready())
				}
			},
		})
	})
}

// TestRawWaitIsInterrupted checks what queue loops rest on: the runtime's preemption signal ends a
// raw wait.
func TestRawWaitIsInterrupted(t *testing.T) {
	r := queueRing(t, 4)
	interrupt(t, 5*time.Millisecond)
	begin := time.Now()
	for range 20 {
		if _, e := r.EnterRaw(1); e != unix.EINTR || r.Ready() != 0 {
			t.Fatalf("raw wait ended with %v and %d completions", e, r.Ready())
		}
	}
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("20 interruptions took %v", d)
	}
}

// TestStopTheWorld runs the collector while the thread sits in a raw wait that nothing else would
// end.
func TestStopTheWorld(t *testing.T) {
	r := queueRing(t, 4)
	collected := make(chan struct{})
	go func() {
		runtime.GC()
		close(collected)
	}()
	for {
		r.EnterRaw(1)
		select {
		case <-collected:
			return
		default:
		}
		r.EnterTimeout(1, time.Millisecond)
	}
}

func TestClose(t *testing.T) {
	r := newRing(t, Options{Entries: 4})
	fd := r.FD()
	must(t, r.Close())
	must(t, r.Close())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("descriptor after Close: %v", err)
	}
	for name, use := range map[string]func(){"Next": func() { r.Next() }, "Reap": func() { r.Reap() }, "Enter": func() { r.Enter(0) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s on a closed ring went through", name)
				}
			}()
			use()
		}()
	}
}

func TestRefusedSetups(t *testing.T) {
	for name, o := range map[string]Options{
		"no entries":      {Entries: 0},
		"too many":        {Entries: 1 << 20},
		"CQE32":           {Entries: 4, Flags: SetupCQE32},
		"NO_MMAP":         {Entries: 4, Flags: SetupNoMmap},
		"unknown flag":    {Entries: 4, Flags: 1 << 31},
		"defer, no owner": {Entries: 4, Flags: SetupDeferTaskrun},
	} {
		if r, err := New(o); err == nil {
			r.Close()
			t.Errorf("%s: made a ring", name)
		}
	}
}

func TestSetupErrors(t *testing.T) {
	for e, want := range map[syscall.Errno]bool{unix.EPERM: true, unix.ENOSYS: true, unix.EACCES: true, unix.ENOMEM: false, unix.EINVAL: false, unix.EMFILE: false} {
		err := setupError(e, 8, 0)
		if errors.Is(err, ErrDisabled) != want || !errors.Is(err, e) {
			t.Errorf("%v: %v", e, err)
		}
	}
}

func TestOwnership(t *testing.T) {
	r := queueRing(t, 4)
	r.Next()
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, e := r.Enter(0)
		done <- e
	}()
	if e := <-done; e != unix.EEXIST {
		t.Errorf("another thread entered the ring: %v", e)
	}
	reap(t, r, 1)
}
