// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
	"zqublkd/uring"
)

// scripted is a handler made of functions; those left out answer EOPNOTSUPP or do nothing.
type scripted struct {
	request func(q *ublk.Queue, tag uint16, r ublk.IODesc)
	done    func(q *ublk.Queue, tag uint16, step uint8, res int32)
	woken   func(q *ublk.Queue)
}

func (s *scripted) Request(q *ublk.Queue, tag uint16) {
	if s.request == nil {
		q.Fail(tag, syscall.EOPNOTSUPP)
		return
	}
	s.request(q, tag, q.Desc(tag))
}

func (s *scripted) Done(q *ublk.Queue, tag uint16, step uint8, res int32) {
	if s.done != nil {
		s.done(q, tag, step, res)
	}
}

func (s *scripted) Woken(q *ublk.Queue) {
	if s.woken != nil {
		s.woken(q)
	}
}

// rig is a fake device served by a handler, and what its queues reported.
type rig struct {
	*ublktest.Server
	mu     sync.Mutex
	panics []ublk.Panic
	drops  atomic.Int32
}

func serve(t testing.TB, queues, depth uint16, h ublk.Handler) *rig {
	t.Helper()
	return serveWith(t, queues, depth, h, ublk.QueueOptions{})
}

func serveWith(t testing.TB, queues, depth uint16, h ublk.Handler, o ublk.QueueOptions) *rig {
	t.Helper()
	r := new(rig)
	o.OnPanic = func(p ublk.Panic) { r.mu.Lock(); r.panics = append(r.panics, p); r.mu.Unlock() }
	o.OnDrop = func(*ublk.Queue, uint16) { r.drops.Add(1) }
	s, err := ublktest.Serve(queues, depth, ublk.FeatureZoned, o, h)
	if errors.Is(err, uring.ErrDisabled) {
		t.Skip("io_uring is forbidden on this machine; run the tests of this package in a test VM: ", err)
	}
	must(t, err)
	r.Server = s
	return r
}

func (r *rig) end(t testing.TB) {
	t.Helper()
	must(t, r.End())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func buffer(t testing.TB, n int) []byte {
	t.Helper()
	m, err := uring.NewMem(n)
	must(t, err)
	t.Cleanup(func() { must(t, m.Free()) })
	return m.Bytes()
}

func read(sector uint64, n uint32) ublk.IODesc  { return ublk.NewIODesc(ublk.OpRead, 0, sector, n) }
func write(sector uint64, n uint32) ublk.IODesc { return ublk.NewIODesc(ublk.OpWrite, 0, sector, n) }
