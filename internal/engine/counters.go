// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"time"

	"zqublkd/internal/tally"
	"zqublkd/ublk"
)

// counters are what a queue has done. They are its thread's, in plain memory: who
// wants to know asks the thread (Disk.Measure), and none shares a cache line with
// another's while nobody does.
type counters struct {
	ops     [ublk.OpReportZones + 1]opCount
	lookups uint64
	misses  uint64
	unknown opCount // of operations without a row
	metered bool    // somebody wants to know how long requests take, and where they go
	meter   *meter  // nil: nobody ever did
	looked  int64   // at the clock, for the first request since the last submission; 0: none has come
}

type opCount struct{ ok, failed, bytes uint64 }

// meter is the part of the counters that costs looks at the clock: one for requests that
// come together, and one for answers that go together.
type meter struct {
	latency [ublk.OpReportZones + 1]tally.Histogram // by operation
	moved   []uint64                                // bytes, by zone
}

func (c *counters) of(s *slot) *opCount {
	if op := int(s.desc.Op()); op < len(c.ops) {
		return &c.ops[op]
	}
	return &c.unknown
}

// epoch is what the times of a meter count from.
var epoch = time.Now()

// began notes that the request of s has come.
func (c *counters) began(s *slot) {
	s.began = 0
	if c.metered {
		if c.looked == 0 {
			c.looked = int64(time.Since(epoch))
		}
		s.began = c.looked
	}
}

// submitting notes that the answers to tags go to the kernel now.
func (c *counters) submitting(slots []slot, tags []uint16) {
	c.looked = 0
	if !c.metered || len(tags) == 0 {
		return
	}
	now := int64(time.Since(epoch))
	for _, tag := range tags {
		c.meter.took(&slots[tag], now)
	}
}

// succeeded counts the request of s.
func (c *counters) succeeded(s *slot) {
	n := c.of(s)
	n.ok++
	data := s.operation.data != nil
	if data {
		n.bytes += s.desc.Bytes()
	}
	if c.metered && data {
		c.meter.moved[s.op.Zone] += s.desc.Bytes()
	}
}

// failed counts the request of s, which may have been counted as a success when
// the copy of its data has failed at last.
func (c *counters) failed(s *slot) {
	c.of(s).failed++
}

func (c *counters) takeBack(s *slot) {
	n := c.of(s)
	n.ok--
	n.bytes -= s.desc.Bytes()
}

// took counts how long the request of s took, once.
func (m *meter) took(s *slot, now int64) {
	if op := int(s.desc.Op()); s.began != 0 && op < len(m.latency) {
		m.latency[op].Observe(now - s.began)
		s.began = 0
	}
}
