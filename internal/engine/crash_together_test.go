// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"zqublkd/internal/storage/storagetest"
)

// slowly lets others overtake operations on the file, syncs above all: a sync
// covers what was written before it began, however long it takes.
func (r *crashRun) slowly() {
	r.rec.Pause(func(k storagetest.OpKind) {
		if k == storagetest.OpSync {
			time.Sleep(300 * time.Microsecond)
			return
		}
		runtime.Gosched()
	})
}

// together runs n clients and, until all have ended, one that flushes.
func (r *crashRun) together(n int, client func(k int, rng *rand.Rand)) {
	var clients, flusher sync.WaitGroup
	quit := make(chan struct{})
	for k := range n {
		seed := r.rng.Uint64()
		clients.Go(func() { client(k, rand.New(rand.NewPCG(seed, 3))) })
	}
	flusher.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				r.flush()
			}
		}
	})
	clients.Wait()
	close(quit)
	flusher.Wait()
}

// appends come from several clients to the same zones; between rounds zones are
// finished or reset.
func appends(r *crashRun) {
	r.slowly()
	for round := range 4 {
		r.together(6, func(k int, rng *rand.Rand) {
			for range 6 {
				zone := r.geo.Conventional + rng.Uint32N(2)
				r.append(zone, uint64(1+rng.IntN(3))*r.block)
			}
		})
		switch zone := r.geo.Conventional + uint32(round%2); round {
		case 0:
			r.finish(zone)
		case 2:
			r.reset(zone)
		}
	}
}

// atOnce gives each client two zones of its own and a part of the conventional
// one.
func atOnce(r *crashRun) {
	r.slowly()
	share := r.geo.WritableEnd(0) / 4
	r.together(4, func(k int, rng *rand.Rand) {
		c := &crashClient{r, rng, r.geo.Conventional + 2*uint32(k), uint64(k) * share, share}
		for range 40 {
			c.step()
		}
	})
}

// crashClient does things to two zones and a range of the disk that are its
// alone. It never has more than one of its zones active.
type crashClient struct {
	*crashRun
	rng        *rand.Rand
	zone       uint32
	off, share uint64
}

func (c *crashClient) step() {
	n := uint64(1+c.rng.IntN(12)) * c.block
	switch k := c.rng.IntN(16); {
	case k < 7:
		c.writeOn(n)
	case k < 9:
		c.append(c.active(), c.block)
	case k < 12:
		c.put(c.off+c.rng.Uint64N((c.share-n)/c.block)*c.block, n, 0)
	case k < 14:
		c.finish(c.active())
	case k == 14:
		c.reset(c.zone + c.rng.Uint32N(2))
	default:
		c.flush()
	}
}

// active is the zone of the two that is written: the second when it has been
// begun or the first is full.
func (c *crashClient) active() uint32 {
	second := c.zone + 1
	begun := c.wp(second) > c.geo.Start(second) && c.left(second) > 0
	if begun || c.left(c.zone) == 0 {
		return second
	}
	return c.zone
}

func (c *crashClient) writeOn(n uint64) {
	if zone := c.active(); c.left(zone) > 0 {
		c.write(zone, n)
	}
}
