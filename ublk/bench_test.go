// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"runtime"
	"testing"

	"zqublkd/ublk"
	"zqublkd/uring"
)

// treadmill is a driver whose every fetch brings the next request at once: what is left is the
// queue's own work.
type treadmill struct {
	descs *uring.Mem
	depth int
}

func newTreadmill(t testing.TB, depth int) *treadmill {
	m, err := uring.NewMem(depth * ublk.IODescBytes)
	must(t, err)
	t.Cleanup(func() { must(t, m.Free()) })
	r := read(0, 8)
	for i := range depth {
		r.Encode(m.Bytes()[i*ublk.IODescBytes:])
	}
	return &treadmill{m, depth}
}

func (t *treadmill) FD() int                             { return -1 }
func (t *treadmill) Descs(int) []byte                    { return t.descs.Bytes() }
func (t *treadmill) Command(*uring.SQE, ublk.TagCommand) {}
func (t *treadmill) info() ublk.DevInfo                  { return ublk.DevInfo{Queues: 1, Depth: uint16(t.depth)} }
func (t *treadmill) serve(h ublk.Handler) error {
	return ublk.NewFakeDevice(t.info(), t).Serve(0, ublk.QueueOptions{}, h, nil)
}

// walker answers n requests, each after a linked step, and notes the allocations between the first
// and the last tenth.
type walker struct {
	n, seen int
	mallocs [2]uint64
}

func (w *walker) Request(q *ublk.Queue, tag uint16) {
	switch w.seen++; {
	case w.seen == w.n/10:
		w.mallocs[0] = mallocs()
	case w.seen == w.n:
		w.mallocs[1] = mallocs()
		q.Quit()
	}
	q.SQE(tag, 1)
	q.LinkNext()
	q.CompleteOK(tag)
}

func (w *walker) Done(*ublk.Queue, uint16, uint8, int32) {}
func (w *walker) Woken(*ublk.Queue)                      {}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func TestRequestsAllocateNothing(t *testing.T) {
	w := &walker{n: 100000}
	must(t, newTreadmill(t, 32).serve(w))
	if n := w.mallocs[1] - w.mallocs[0]; n > 100 {
		t.Errorf("%d allocations in %d requests", n, w.n*9/10)
	}
}

// BenchmarkRequest is the price of a request on a queue: a linked step, an answer, and their share
// of an enter.
func BenchmarkRequest(b *testing.B) {
	for name, depth := range map[string]int{"depth=1": 1, "depth=32": 32} {
		b.Run(name, func(b *testing.B) {
			w := &walker{n: max(b.N, 10)}
			must(b, newTreadmill(b, depth).serve(w))
		})
	}
}
