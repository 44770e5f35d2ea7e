// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zqublkd/zoned"
)

// stress is a disk whose bytes are plain memory that many clients touch
// without a lock: the rules alone keep them apart, and the race detector sees
// whether they do.
type stress struct {
	dev     *zoned.Device
	disk    []byte
	resets  []atomic.Int64 // of each zone
	base    []uint64       // bytes there before the first request
	said    []zoned.State  // by the observer, under each zone's lock
	clients []*client
	begun   atomic.Int64
}

// client is one of the goroutines, with some requests at once. What others'
// requests give back to it comes in through its inbox.
type client struct {
	*stress
	reqs     []*stressed
	inbox    chan *stressed
	left     int
	rand     *rand.Rand
	answered int64
	acked    []ack
}

type stressed struct {
	op       zoned.Op
	home     *client
	kind     string
	off, n   uint64
	readable uint64
	state    requestState
	epoch    int64
	tag      byte
}

// ack is an acknowledged write: bytes of the disk between two resets.
type ack struct {
	zone     uint32
	epoch    int64
	start, n uint64
}

const (
	stressZones = 5
	finishTag   = 0xff
)

// ZoneChanged implements zoned.Observer.
func (s *stress) ZoneChanged(i uint32, z zoned.State) { s.said[i] = z }

func newStress(t *testing.T, lim zoned.Limits, clients, ops int) *stress {
	t.Helper()
	s := &stress{resets: make([]atomic.Int64, stressZones), said: make([]zoned.State, stressZones)}
	geo := zoned.Geometry{Size: stressZones*64 - 10, ZoneSize: 64, ZoneCapacity: 60, Conventional: 1}
	s.disk = make([]byte, geo.Size)
	entries := make([]zoned.Entry, stressZones)
	for i := range entries {
		s.base = append(s.base, 0)
		if i == 2 {
			s.base[i] = 7
		}
		entries[i].WP = geo.Start(uint32(i)) + s.base[i]
		for k := range s.base[i] {
			s.disk[geo.Start(uint32(i))+k] = finishTag
		}
	}
	var err error
	if s.dev, err = zoned.New(geo, lim, slices.Values(entries), s); err != nil {
		t.Fatal(err)
	}
	for i := range s.said {
		s.said[i] = s.dev.State(uint32(i))
	}
	for k := range clients {
		c := &client{stress: s, left: ops / clients, inbox: make(chan *stressed, 4), rand: rand.New(rand.NewPCG(uint64(k), rand.Uint64()))}
		for range cap(c.inbox) {
			r := &stressed{home: c}
			r.op.Owner = r
			c.reqs = append(c.reqs, r)
		}
		s.clients = append(s.clients, c)
	}
	return s
}

// TestR38_Stress: many requests at once, each checked and placed under its
// zone's lock.
func TestR38_Stress(t *testing.T) {
	for _, lim := range []zoned.Limits{{}, {MaxOpen: 1, MaxActive: 2}, {MaxOpen: 2, MaxActive: 3}, {MaxOpen: 2}, {MaxActive: 2, MaxAppend: 5}} {
		t.Run(fmt.Sprintf("open %d, active %d", lim.MaxOpen, lim.MaxActive), func(t *testing.T) {
			s := newStress(t, lim, 6, budget()/5)
			over := s.watchLimits()
			var all sync.WaitGroup
			for _, c := range s.clients {
				all.Go(func() {
					if err := c.run(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if err := over(); err != nil {
				t.Error(err)
			}
			if !t.Failed() {
				s.audit(t)
			}
		})
	}
}

// watchLimits looks at the counters all the time, until the func it returns is
// called.
func (s *stress) watchLimits() func() error {
	var stop atomic.Bool
	over := make(chan error)
	go func() {
		var err error
		lim := s.dev.Limits()
		for !stop.Load() {
			open, active := s.dev.Open(), s.dev.Active()
			if err == nil && (lim.MaxOpen != 0 && open > int(lim.MaxOpen) || lim.MaxActive != 0 && active > int(lim.MaxActive)) {
				err = fmt.Errorf("%d open, %d active zones with limits %+v", open, active, lim)
			}
			time.Sleep(time.Microsecond)
		}
		over <- err
	}()
	return func() error { stop.Store(true); return <-over }
}

// audit looks at what is left when everybody has gone.
func (s *stress) audit(t *testing.T) {
	var answered int64
	acked := map[[2]int64][]ack{}
	for _, c := range s.clients {
		answered += c.answered
		for _, a := range c.acked {
			key := [2]int64{int64(a.zone), a.epoch}
			acked[key] = append(acked[key], a)
		}
	}
	t.Logf("%d concurrent operations answered, %d resets of zone 1", answered, s.resets[1].Load())
	if answered != s.begun.Load() || answered == 0 {
		t.Errorf("%d requests begun, %d answered", s.begun.Load(), answered)
	}
	if err := s.dev.Check(); err != nil {
		t.Error(err)
	}
	for key, list := range acked {
		if end, err := s.contiguous(list); err != nil {
			t.Errorf("zone %d after %d resets: %v", key[0], key[1], err)
		} else if z := s.dev.State(uint32(key[0])); key[1] == s.resets[key[0]].Load() && z.Condition != zoned.Full && z.WP != end {
			t.Errorf("zone %d: write pointer %d, acknowledged up to %d", key[0], z.WP, end)
		}
	}
	for i, said := range s.said {
		if z := s.dev.State(uint32(i)); z != said {
			t.Errorf("zone %d is %v, its observer was told %v", i, z, said)
		}
	}
}

// contiguous holds that the writes of a zone between two resets lie one behind
// the other.
func (s *stress) contiguous(list []ack) (uint64, error) {
	slices.SortFunc(list, func(a, b ack) int { return cmp.Compare(a.start, b.start) })
	end := s.dev.Geometry().Start(list[0].zone)
	if list[0].epoch == 0 {
		end += s.base[list[0].zone]
	}
	for _, a := range list {
		if a.start != end {
			return 0, fmt.Errorf("%d bytes acknowledged at %d, those below end at %d", a.n, a.start, end)
		}
		end += a.n
	}
	return end, nil
}
