// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"

	"zqublkd/ublk"
)

// rigWork is what a run does to a disk.
type rigWork struct {
	Depth  int    // requests at once
	Queues int    // they come by
	Count  int    // requests of each of them
	Least  uint64 // sectors of a request
	Most   uint64
	Seed   uint64
}

// rigEvent is what a run tells of a request: that it is going to be sent, and that it
// was answered.
type rigEvent struct {
	Answered     bool
	Op           ublk.Op
	At, N, Stamp uint64
}

// play sends the requests of w, each checked against the model. told, if any,
// hears of each before it is sent and after it was answered.
func (w rigWork) play(r *rig, m *sectorModel, told func(rigEvent)) error {
	var all sync.WaitGroup
	var failure atomic.Pointer[error]
	for k := range w.Depth {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(w.Seed, uint64(k)))
			for range w.Count {
				if failure.Load() != nil {
					return
				}
				if err := w.request(r, m, rng, k, told); err != nil {
					failure.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	all.Wait()
	if p := failure.Load(); p != nil {
		return *p
	}
	return nil
}

// request sends one request of a random kind and size.
func (w rigWork) request(r *rig, m *sectorModel, rng *rand.Rand, queue int, told func(rigEvent)) error {
	size := min(w.Least<<rng.IntN(bitsOf(w.Most/w.Least)+1), w.Most)
	if rng.IntN(4) == 0 && size > w.Least { // no power of two
		size -= w.Least * rng.Uint64N(size/w.Least/2+1)
	}
	op, flags := ublk.OpWrite, ublk.OpFlags(0)
	switch k := rng.IntN(20); {
	case k < 2:
		op = ublk.OpWriteZeroes
	case k < 4:
		op = ublk.OpDiscard
	case k < 5:
		op = ublk.OpFlush
	case k < 9:
		op = ublk.OpRead
	case k < 10:
		flags = ublk.FlagFUA
	}
	if op == ublk.OpFlush {
		return w.answered(r, op, 0, 0, r.do(queue, op, 0, 0, 0, nil).Errno())
	}
	at, stamp := m.claim(rng, size)
	defer m.release(at, size)
	var data []byte
	switch op {
	case ublk.OpWrite:
		data = stamped(at, size, stamp)
	case ublk.OpRead:
		data = make([]byte, size*sectorBytes)
	default:
		stamp = 0
	}
	if told != nil && op != ublk.OpRead {
		told(rigEvent{Op: op, At: at, N: size, Stamp: stamp})
	}
	errno := r.do(queue, op, flags, at*sectorBytes, uint32(size*sectorBytes), data).Errno()
	if err := w.answered(r, op, at, size, errno); err != nil {
		return err
	}
	if op == ublk.OpRead {
		return m.saw(at, data)
	}
	m.did(op, at, size, stamp)
	if told != nil {
		told(rigEvent{Answered: true, Op: op, At: at, N: size, Stamp: stamp})
	}
	return nil
}

// did notes a request that was answered.
func (m *sectorModel) did(op ublk.Op, at, n, stamp uint64) {
	if op == ublk.OpDiscard { // as before, or zeros
		m.maybe(at, n, 0)
		return
	}
	m.surely(at, n, stamp)
}

func (w rigWork) answered(r *rig, op ublk.Op, at, n uint64, errno syscall.Errno) error {
	if r.disk.Failure() != nil {
		return fmt.Errorf("the disk is frozen on healthy storage: %w", r.disk.Failure())
	}
	if errno != 0 {
		return fmt.Errorf("%s of %d sectors at %d: %w: %s", op, n, at, errno, r.why())
	}
	return nil
}

// verify reads all of the disk.
func (w rigWork) verify(r *rig, m *sectorModel) error {
	const piece = simMaxIO / sectorBytes
	total := uint64(len(m.may))
	for at := uint64(0); at < total; at += piece {
		data := make([]byte, min(piece, total-at)*sectorBytes)
		if errno := r.do(0, ublk.OpRead, 0, at*sectorBytes, uint32(len(data)), data).Errno(); errno != 0 {
			return fmt.Errorf("read at sector %d: %w: %s", at, errno, r.why())
		}
		if err := m.saw(at, data); err != nil {
			return err
		}
	}
	return nil
}

func bitsOf(n uint64) (bits int) {
	for ; n > 1; n >>= 1 {
		bits++
	}
	return bits
}
