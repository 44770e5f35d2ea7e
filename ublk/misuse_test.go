// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// TestMisuse has handlers break each rule: the request gets EIO, once, and the next one is served.
func TestMisuse(t *testing.T) {
	buf := buffer(t, 64<<10)
	for name, c := range map[string]struct {
		request func(q *ublk.Queue, tag uint16, r ublk.IODesc)
		want    syscall.Errno
	}{
		"answers twice":             {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.CompleteOK(tag); q.CompleteOK(tag) }, 0},
		"short success":             {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.Complete(tag, 512) }, syscall.EIO},
		"answers in flight":         {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.SQE(tag, 1); q.CompleteOK(tag) }, syscall.EIO},
		"links nothing":             {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.LinkNext() }, syscall.EIO},
		"links an answer":           {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.CompleteOK(tag); q.LinkNext() }, 0},
		"links twice":               {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.SQE(tag, 1); q.LinkNext(); q.LinkNext() }, syscall.EIO},
		"append answer":             {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.CompleteAppend(tag, 4096, 0) }, syscall.EIO},
		"SQE after the answer":      {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.CompleteOK(tag); q.SQE(tag, 1) }, 0},
		"SQE of another tag":        {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.SQE(tag^1, 1) }, syscall.EIO},
		"link left open":            {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.SQE(tag, 9); q.LinkNext() }, 0},
		"link left open by a panic": {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.SQE(tag, 9); q.LinkNext(); panic(0) }, syscall.EIO},
		"nil dereference":           {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { var p *ublk.Params; p.MaxSectors++ }, syscall.EIO},
		"tag out of range":          {func(q *ublk.Queue, tag uint16, r ublk.IODesc) { q.Desc(60000) }, syscall.EIO},
		"chain too long": {func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
			for range 200 {
				q.CopyToRequest(tag, 1, 0, buf[:512])
				q.LinkNext()
			}
		}, syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			good := true
			h := &scripted{request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
				if good = !good; good {
					q.CompleteOK(tag)
					return
				}
				c.request(q, tag, r)
			}, done: func(q *ublk.Queue, tag uint16, step uint8, res int32) {
				if step == 9 {
					q.CompleteOK(tag)
				}
			}}
			r := serve(t, 1, 2, h)
			for range 10 {
				if a := r.Do(0, read(0, 8), make([]byte, 4096)); a.Errno() != c.want {
					t.Errorf("answer %+v, want %v", a, c.want)
				}
				if a := r.Do(0, read(0, 8), make([]byte, 4096)); a.Result != 4096 {
					t.Errorf("next request: %+v", a)
				}
			}
			r.end(t)
			if name != "link left open" && len(r.panics) != 10 {
				t.Errorf("%d panics reported", len(r.panics))
			}
			for _, p := range r.panics {
				if p.Tag < 0 || p.Request.Op() != ublk.OpRead || len(p.Stack) == 0 || strings.Contains(p.Error(), "\n") {
					t.Errorf("report: %v", p)
				}
			}
		})
	}
}

// TestPanicWaitsForWhatIsInFlight: EIO must not be answered while the kernel still uses the
// request's buffers.
func TestPanicWaitsForWhatIsInFlight(t *testing.T) {
	buf := buffer(t, 4096)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC) // can be read once it is written to
	must(t, err)
	defer unix.Close(fd)
	var ended atomic.Bool
	h := &scripted{request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
		q.SQE(tag, 1).Read(fd, buf[:8], 0)
		time.AfterFunc(100*time.Millisecond, func() {
			ended.Store(true)
			unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		})
		panic("after queueing")
	}}
	r := serve(t, 1, 2, h)
	if a := r.Do(0, read(0, 8), make([]byte, 4096)); a.Errno() != syscall.EIO || !ended.Load() {
		t.Errorf("answer %+v, what was in flight has ended: %v", a, ended.Load())
	}
	r.end(t)
	if r.drops.Load() != 1 || len(r.panics) != 1 {
		t.Errorf("%d drops, %d panics", r.drops.Load(), len(r.panics))
	}
}

// TestPanicWhenWoken: a named tag gets EIO; without a name Woken runs again for what is left.
func TestPanicWhenWoken(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint("named=", named), func(t *testing.T) {
			work := make(chan uint16, 64)
			h := &scripted{
				request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
					go func() { work <- tag; q.Wake() }()
				},
			}
			left := 3
			h.woken = func(q *ublk.Queue) {
				if !named && left > 0 {
					left--
					panic("before taking anything")
				}
				for len(work) > 0 {
					tag := <-work
					q.Handling(tag)
					if named && q.Desc(tag).StartSector() == 8 {
						panic("told to")
					}
					q.CompleteOK(tag)
				}
			}
			r := serve(t, 1, 8, h)
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					want := syscall.Errno(0)
					if named && i%2 == 1 {
						want = syscall.EIO
					}
					if a := r.Do(0, read(uint64(i%2*8), 8), make([]byte, 4096)); a.Errno() != want {
						t.Errorf("request %d: %+v, want %v", i, a, want)
					}
				})
			}
			wg.Wait()
			r.end(t)
		})
	}
}

func TestWokenThatAlwaysPanicsEndsTheQueue(t *testing.T) {
	h := &scripted{woken: func(*ublk.Queue) { panic("always") }, request: func(q *ublk.Queue, tag uint16, _ ublk.IODesc) { q.Wake() }}
	r := serve(t, 1, 2, h)
	go r.Do(0, read(0, 8), make([]byte, 4096))
	err := r.Wait()
	var qe *ublk.QueueError
	if !errors.As(err, &qe) || qe.Tag != -1 {
		t.Errorf("queue ended with %v", err)
	}
	must(t, r.Close())
}
