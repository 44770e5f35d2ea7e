// SPDX-License-Identifier: Apache-2.0

package zoned

import (
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// Limits bound what may be open, active and appended. 0 is no limit.
type Limits struct {
	MaxOpen   uint32 // zones
	MaxActive uint32 // zones
	MaxAppend uint64 // bytes of one append
}

// Entry is what is known of one zone when a device is made.
type Entry struct {
	WP uint64 // byte of the disk; ignored for a conventional zone
	// Condition is kept when it can't be told from the write pointer: ReadOnly,
	// Offline, and, for a device that goes on after its server died, the open
	// conditions as far as MaxOpen allows. Anything else is derived
	// (Geometry.Rest).
	Condition Condition
}

// State is what a zone shows to others: only acknowledged writes count.
type State struct {
	WP        uint64 // byte of the disk
	Condition Condition
}

// Observer hears of each change of a zone's acknowledged write pointer or
// condition, under that zone's lock and before the request that caused it can
// be answered. It must not block and must not call the Device.
type Observer interface {
	ZoneChanged(zone uint32, s State)
}

// zone is one zone's state. Offsets are bytes from the zone's start.
type zone struct {
	mu       sync.Mutex
	wp       uint64        // logical: where the next write goes
	done     uint64        // acknowledged: all below it is there
	stamp    atomic.Uint64 // of the last write, for eviction; 0: not implicitly open
	inflight opList        // writes from done to wp, in order; of an owned zone its owner
	readers  int32         // reads in flight, or owned
	cond     Condition
	crowded  bool // requests are parked: Device.parked has them
	draining bool // a write failed, others above it have not ended yet
	listed   bool // in Device.implicit; belongs to limits, not to mu
}

// owned in place of a number of readers: a reset or finish has the zone for
// itself. Nothing else is in flight then.
const owned = -1

func (z *zone) owner() *Op {
	if z.readers != owned {
		return nil
	}
	return z.inflight.last
}

// writing: writes are in flight.
func (z *zone) writing() bool { return !z.inflight.empty() && z.readers != owned }

func (z *zone) own(op *Op) { z.inflight.last, z.readers = op, owned }
func (z *zone) disown()    { z.inflight.last, z.readers = nil, 0 }

// Device is the zones of one disk. Its methods may be called from any
// goroutine; they do not wait for I/O.
type Device struct {
	geo      Geometry
	lim      Limits
	observer Observer
	zones    []zone
	parked   lot

	limits   sync.Mutex // taken before any zone's mu
	implicit []uint32   // zones that were opened implicitly, some not any more
	clock    atomic.Uint64
	holders  holders

	open, active, implicitOpen atomic.Int64

	counts []Counts // by zone, each under its lock; nil: not kept

	turns atomic.Pointer[atomic.Uint64] // nil: not counted
	order sync.Mutex                    // while they are: see inTurn
}

// New makes a device of zones as entries say, one for each zone in their order.
// More zones may be active than the limit allows; none becomes active until they
// are few enough. o may be nil.
func New(g Geometry, l Limits, entries iter.Seq[Entry], o Observer) (*Device, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	d := &Device{geo: g, lim: l, observer: o, zones: make([]zone, g.Zones()), parked: newLot()}
	n := 0
	for e := range entries {
		if n == len(d.zones) {
			return nil, fmt.Errorf("more than %d zone entries, the number of zones of the disk", n)
		}
		if err := d.load(uint32(n), e); err != nil {
			return nil, err
		}
		n++
	}
	if n < len(d.zones) {
		return nil, fmt.Errorf("%d zone entries for a disk of %d zones", n, len(d.zones))
	}
	return d, nil
}

func (d *Device) load(i uint32, e Entry) error {
	z := &d.zones[i]
	if d.geo.IsConventional(i) {
		// Its condition is NotWP already, the zero one.
		if e.Condition == ReadOnly || e.Condition == Offline {
			z.cond = e.Condition
		}
		return nil
	}
	start := d.geo.Start(i)
	if e.WP < start || e.WP > start+d.geo.ZoneSize {
		return fmt.Errorf("zone %d: write pointer %d outside the zone, %d to %d", i, e.WP, start, start+d.geo.ZoneSize)
	}
	c := d.geo.Rest(i, e.WP)
	z.done = min(e.WP-start, d.geo.Capacity(i))
	z.wp = z.done
	switch {
	case e.Condition == ReadOnly || e.Condition == Offline:
		c = e.Condition
	case e.Condition.Open() && c != Full && !d.openFull():
		c = e.Condition
	}
	d.setCondition(i, z, c)
	return nil
}

// Geometry is the device's geometry.
func (d *Device) Geometry() Geometry { return d.geo }

// Limits are the device's limits.
func (d *Device) Limits() Limits { return d.lim }

// Open, Active and ImplicitOpen count zones.
func (d *Device) Open() int         { return int(d.open.Load()) }
func (d *Device) Active() int       { return int(d.active.Load()) }
func (d *Device) ImplicitOpen() int { return int(d.implicitOpen.Load()) }

// setCondition moves zone i to condition c and keeps the counters; the caller
// holds z.mu, and limits when c takes a slot that z has not.
func (d *Device) setCondition(i uint32, z *zone, c Condition) {
	if z.cond == c {
		return
	}
	d.count(z.cond, c)
	from := z.cond
	z.cond = c
	d.hold(i, from, c)
	switch {
	case c == ImplicitOpen && d.lim.MaxOpen != 0:
		d.list(i, z)
	case z.stamp.Load() != 0: // a look is cheaper than a store
		z.stamp.Store(0)
	}
}

func (d *Device) count(from, to Condition) {
	bump(&d.open, from.Open(), to.Open())
	bump(&d.active, from.Active(), to.Active())
	bump(&d.implicitOpen, from == ImplicitOpen, to == ImplicitOpen)
}

func bump(n *atomic.Int64, from, to bool) {
	switch {
	case from && !to:
		n.Add(-1)
	case !from && to:
		n.Add(1)
	}
}

func (d *Device) changed(i uint32, z *zone) {
	if d.observer != nil {
		d.observer.ZoneChanged(i, State{WP: d.geo.Start(i) + z.done, Condition: z.cond})
	}
}

// State is the state of zone i.
func (d *Device) State(i uint32) State {
	z := &d.zones[i]
	z.mu.Lock()
	defer z.mu.Unlock()
	return State{WP: d.geo.Start(i) + z.done, Condition: z.cond}
}

// locate fills op and finds its zone: off and n must lie in one zone.
func (d *Device) locate(op *Op, kind Operation, off, n uint64) (*zone, error) {
	op.Kind, op.Start, op.Length, op.Outcome = kind, off, n, Pending
	op.aborted, op.landed, op.ended, op.all, op.Err = false, false, false, false, nil
	if off >= d.geo.Size || n > d.geo.Size-off {
		op.Zone = d.geo.Zones() - 1
		return nil, d.refusal(op, nil, RuleRange, d.geo.Size)
	}
	op.Zone = d.geo.ZoneOf(off)
	z := &d.zones[op.Zone]
	if off+n > d.geo.Start(op.Zone)+d.geo.ZoneSize {
		return nil, d.refusal(op, nil, RuleBoundary, d.geo.ZoneSize)
	}
	return z, nil
}

// locateZone is locate for operations on a whole zone.
func (d *Device) locateZone(op *Op, kind Operation, off uint64) (*zone, error) {
	z, err := d.locate(op, kind, off, 0)
	if err == nil && off != d.geo.Start(op.Zone) {
		return nil, d.refusal(op, nil, RuleZoneStart, 0)
	}
	return z, err
}

// refusal is the error of op. z is nil when the caller holds no lock.
func (d *Device) refusal(op *Op, z *zone, r Rule, limit uint64) *Error {
	e := &Error{Rule: r, Op: op.Kind, Zone: op.Zone, Offset: op.Start, Length: op.Length, Limit: limit}
	if z != nil {
		e.Condition, e.WP = z.cond, d.geo.Start(op.Zone)+z.wp
		return e
	}
	s := d.State(op.Zone)
	e.Condition, e.WP = s.Condition, s.WP
	return e
}

// idle: nothing is in flight in the zone and nobody owns or waits for it.
func (z *zone) idle() bool { return z.free() && !z.crowded }

// free: nothing is in flight in the zone and nobody owns it.
func (z *zone) free() bool { return z.inflight.empty() && z.readers == 0 }

// park lets op wait, under z.mu, until zone i is free.
func (d *Device) park(i uint32, z *zone, op *Op) {
	z.crowded = true
	d.parked.add(i, op)
}

// settle is called, under z.mu, when something has left the zone.
func (d *Device) settle(i uint32, z *zone, out *answers) {
	if z.inflight.empty() {
		z.wp, z.draining = z.done, false
		if z.cond == Closed && z.done == 0 {
			d.setCondition(i, z, Empty)
			d.changed(i, z)
		}
	}
	if z.crowded && z.free() {
		z.crowded = false
		out.retry(d.parked.take(i))
	}
}
