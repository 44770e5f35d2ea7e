// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/ublk"
)

// Ways to serve a request; a request's start sector says which. Each has an answer that is known
// beforehand.
const (
	wayNow        = iota // answered at once
	wayChain             // copy linked to the answer
	wayBroken            // a step that fails, linked to the answer
	waySteps             // one SQE after the other
	wayPair              // two chains at once, answered after both
	wayWorker            // a goroutine, which wakes the queue
	wayRefuse            // ENOSPC
	wayPanic             // panic at once
	wayPanicBusy         // panic with SQEs in flight
	wayPanicDone         // panic when a step is done, another still in flight
	wayPanicWoken        // panic with a goroutine's result
	ways
)

var wayAnswers = [ways]syscall.Errno{wayBroken: syscall.EBADF, wayRefuse: syscall.ENOSPC, wayPanic: syscall.EIO,
	wayPanicBusy: syscall.EIO, wayPanicDone: syscall.EIO, wayPanicWoken: syscall.EIO}

// anyWay serves requests the way they ask for.
type anyWay struct {
	buf  []byte
	mu   sync.Mutex
	work map[int][]uint16 // by queue
	left [2][64]int       // chains still running, by queue and tag
}

func (h *anyWay) Request(q *ublk.Queue, tag uint16) {
	buf := h.buf
	switch q.Desc(tag).StartSector() {
	case wayNow:
		q.CompleteOK(tag)
	case wayChain:
		q.CopyToRequest(tag, wayChain, 0, buf)
		q.LinkNext()
		q.CompleteOK(tag)
	case wayBroken:
		q.ReadFile(tag, wayBroken, -1, buf, 0)
		q.LinkNext()
		q.CompleteOK(tag)
	case waySteps:
		h.left[q.ID()][tag] = 3
		q.SQE(tag, waySteps)
	case wayPair:
		h.left[q.ID()][tag] = 2
		for range 2 {
			q.CopyToRequest(tag, wayPair, 0, buf)
			q.LinkNext()
			q.SQE(tag, wayPair)
		}
	case wayWorker, wayPanicWoken:
		go h.deliver(q, tag)
	case wayRefuse:
		q.Fail(tag, syscall.ENOSPC)
	case wayPanic:
		panic("at once")
	case wayPanicBusy:
		q.CopyToRequest(tag, wayPanicBusy, 0, buf)
		q.CopyToRequest(tag, wayPanicBusy, 0, buf)
		q.LinkNext()
		panic("busy")
	case wayPanicDone:
		q.SQE(tag, wayPanicDone)
		q.CopyToRequest(tag, wayPanicDone, 0, buf)
	}
}

func (h *anyWay) Done(q *ublk.Queue, tag uint16, step uint8, res int32) {
	left := &h.left[q.ID()][tag]
	*left--
	switch step {
	case wayBroken:
		q.Fail(tag, syscall.Errno(-res))
	case waySteps:
		if *left > 0 {
			q.CopyToRequest(tag, waySteps, 0, h.buf)
			return
		}
		q.CompleteOK(tag)
	case wayPair:
		if *left == 0 {
			q.CompleteOK(tag)
		}
	default:
		panic("step done")
	}
}

func (h *anyWay) deliver(q *ublk.Queue, tag uint16) {
	h.mu.Lock()
	h.work[q.ID()] = append(h.work[q.ID()], tag)
	h.mu.Unlock()
	q.Wake()
}

func (h *anyWay) Woken(q *ublk.Queue) {
	for {
		h.mu.Lock()
		w := h.work[q.ID()]
		if len(w) == 0 {
			h.mu.Unlock()
			return
		}
		h.work[q.ID()] = w[1:]
		h.mu.Unlock()
		q.Handling(w[0])
		if q.Desc(w[0]).StartSector() == wayPanicWoken {
			panic("woken")
		}
		q.CompleteOK(w[0])
	}
}

// TestAnyWay sends requests of random kinds from many clients and expects each answer once, as
// foreseen. The fake driver notes tags answered twice or not at all.
func TestAnyWay(t *testing.T) {
	buf := buffer(t, 4096)
	rapid.Check(t, func(rt *rapid.T) {
		h := &anyWay{buf: buf, work: make(map[int][]uint16)}
		r := serve(t, 2, uint16(rapid.IntRange(1, 64).Draw(rt, "depth")), h)
		plan := rapid.SliceOfN(rapid.IntRange(0, ways-1), 1, 150).Draw(rt, "ways")
		var wg sync.WaitGroup
		for i, way := range plan {
			wg.Go(func() {
				if a := r.Do(i%2, read(uint64(way), 8), make([]byte, 4096)); a.Errno() != wayAnswers[way] {
					rt.Errorf("way %d: answer %+v, want %v", way, a, wayAnswers[way])
				}
			})
		}
		wg.Wait()
		if err := r.End(); err != nil {
			rt.Error(err)
		}
	})
}
