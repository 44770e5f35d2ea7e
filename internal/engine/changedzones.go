// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"math/bits"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"zqublkd/internal/statefile"
	"zqublkd/internal/trace"
	"zqublkd/zoned"
)

// changedZones hears of every change of a zone (zoned.Observer): it publishes the
// change in the state file and remembers that the zone's slot of the table is stale.
type changedZones struct {
	state *statefile.File // nil: none
	stale []atomic.Uint64
	trace *logrus.Logger // nil: not wanted

	tracer *atomic.Pointer[trace.Tracer] // the disk's; nil: there can be none

	implicit atomic.Int32
	was      []zoned.Condition // only when tracing
}

func newChangedZones(zones uint32, state *statefile.File, log *logrus.Logger) *changedZones {
	t := &changedZones{state: state, stale: make([]atomic.Uint64, (zones+63)/64)}
	if log.IsLevelEnabled(logrus.TraceLevel) {
		t.trace, t.was = log, make([]zoned.Condition, zones)
	}
	return t
}

// ZoneChanged implements zoned.Observer.
func (t *changedZones) ZoneChanged(i uint32, s zoned.State) {
	if t.state != nil {
		t.state.SetZone(i, s)
	}
	t.stale[i/64].Or(1 << (i % 64))
	if t.trace != nil {
		t.traceChange(i, s)
	}
	if t.tracer != nil {
		if to := t.tracer.Load(); to != nil {
			to.ZoneChanged(i, s)
		}
	}
}

func (t *changedZones) traceChange(i uint32, s zoned.State) {
	e := t.trace.WithFields(logrus.Fields{"zone": i, "wp": s.WP, "condition": s.Condition})
	e.Trace("write pointer of zone moved")
	before := t.was[i]
	t.was[i] = s.Condition
	if (before == zoned.ImplicitOpen) == (s.Condition == zoned.ImplicitOpen) {
		return
	}
	n := int32(1)
	if before == zoned.ImplicitOpen {
		n = -1
	}
	e.WithField("implicitly_open", t.implicit.Add(n)).Trace("number of implicitly open zones changed")
}

// take calls f for each zone that changed since the last take, and forgets it.
func (t *changedZones) take(f func(zone uint32)) {
	for w := range t.stale {
		for set := t.stale[w].Swap(0); set != 0; set &= set - 1 {
			f(uint32(w*64 + bits.TrailingZeros64(set)))
		}
	}
}

// resetting publishes that the reset of zones has begun, or has failed.
func (t *changedZones) resetting(zones []uint32, begun bool) {
	for _, i := range zones {
		switch {
		case t.state == nil:
		case begun:
			t.state.BeginReset(i)
		default:
			t.state.AbortReset(i)
		}
	}
}

// mark makes the zone stale again, after its slot could not be written.
func (t *changedZones) mark(i uint32) { t.stale[i/64].Or(1 << (i % 64)) }

// all makes the first n zones stale: their slots may not hold their state.
func (t *changedZones) all(n uint32) {
	for i := range n {
		t.mark(i)
	}
}
