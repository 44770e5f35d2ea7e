// SPDX-License-Identifier: Apache-2.0

package zoned

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// SlotHolder is a zone that has an open or an active slot.
type SlotHolder struct {
	Zone      uint32    `json:"zone"`
	Condition Condition `json:"-"`
	State     string    `json:"condition"`        // Condition in words
	Since     time.Time `json:"since,omitzero"`   // in that condition; zero: longer than is known
	Written   time.Time `json:"written,omitzero"` // last; zero: not since it is known
}

// holding is when a zone came to its slot and when it was written last, in
// nanoseconds since 1970, 0: not known. Both belong to the zone's lock.
type holding struct {
	since, written int64
	listed         bool // in holders.list; belongs to limits
}

// holders remembers which zones have slots. A device that nobody asks for them
// has none of it: of is nil.
type holders struct {
	now  func() time.Time
	of   []atomic.Pointer[holdings] // by zone; nil: no zone of them has had a slot
	list []uint32                   // zones that took a slot, some have none any more; belongs to limits
}

// holdings are those of neighbours: a device of many zones has slots for few, and they
// lie together mostly.
type holdings [64]holding

// at is the holding of zone i, which has a slot or has had one.
func (h *holders) at(i uint32) *holding {
	return &h.of[i/uint32(len(holdings{}))].Load()[i%uint32(len(holdings{}))]
}

// make is at that makes room for it; limits is held.
func (h *holders) make(i uint32) *holding {
	if near := &h.of[i/uint32(len(holdings{}))]; near.Load() == nil {
		near.Store(new(holdings))
	}
	return h.at(i)
}

// namedHolders bounds how many zones an Error names.
const namedHolders = 16

// prunedBelow is how long the list of holders may be whatever it holds.
const prunedBelow = 64

// KeepHolders makes the device remember which zones have slots and since when,
// before the first request. Writes are given their time by Op.At.
func (d *Device) KeepHolders(now func() time.Time) {
	parts := (len(d.zones) + len(holdings{}) - 1) / len(holdings{})
	d.holders = holders{now: now, of: make([]atomic.Pointer[holdings], parts)}
	for i := range d.zones {
		if d.zones[i].cond.Active() {
			d.enlist(uint32(i))
		}
	}
}

// written notes the time of a write; the caller holds the zone's lock. Times
// are coarse, so that there is seldom anything to store.
func (d *Device) written(op *Op) {
	if d.holders.of == nil || op.At == 0 {
		return
	}
	if h := d.holders.at(op.Zone); h.written != op.At {
		h.written = op.At
	}
}

// hold is told that zone i, whose lock is held, has moved to condition c; limits
// is held when that took a slot.
func (d *Device) hold(i uint32, from, c Condition) {
	if d.holders.of == nil || !c.Active() {
		return
	}
	if !from.Active() {
		d.enlist(i)
		d.holders.at(i).written = 0
	}
	d.holders.at(i).since = d.holders.now().UnixNano()
}

// enlist adds zone i, whose lock is held as limits is, to the list. It drops those
// without a slot once they may be as many as those with one.
func (d *Device) enlist(i uint32) {
	h := &d.holders
	mine := h.make(i)
	if mine.listed {
		return
	}
	if len(h.list) >= prunedBelow+2*d.Active() {
		h.list = slices.DeleteFunc(h.list, func(k uint32) bool {
			z := &d.zones[k]
			if k == i || !z.mu.TryLock() { // who is busy is looked at the next time
				return false
			}
			defer z.mu.Unlock()
			of := h.at(k)
			of.listed = z.cond.Active()
			return !of.listed
		})
	}
	mine.listed = true
	h.list = append(h.list, i)
}

// SlotHolders lists the zones that have slots, the one written longest ago first.
func (d *Device) SlotHolders() []SlotHolder {
	d.limits.Lock()
	defer d.limits.Unlock()
	return d.holdersBut(nil, Condition.Active)
}

// holdersBut is SlotHolders of those conditions, for a caller who has the lock of
// zone self; limits is held.
func (d *Device) holdersBut(self *zone, which func(Condition) bool) []SlotHolder {
	var all []SlotHolder
	for _, i := range d.holders.list {
		z := &d.zones[i]
		if z == self {
			continue
		}
		z.mu.Lock()
		if which(z.cond) {
			h := d.holders.at(i)
			all = append(all, SlotHolder{Zone: i, Condition: z.cond, State: z.cond.String(), Since: timeOf(h.since),
				Written: timeOf(h.written)})
		}
		z.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b SlotHolder) int {
		return cmp.Or(a.Written.Compare(b.Written), a.Since.Compare(b.Since), cmp.Compare(a.Zone, b.Zone))
	})
	return all
}

func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// overLimit is the error of op, for whose zone z no slot is left: it names those
// who have them. limits and z.mu are held.
func (d *Device) overLimit(op *Op, z *zone, r Rule, limit uint32) *Error {
	e := d.refusal(op, z, r, uint64(limit))
	if d.holders.of == nil {
		return e
	}
	which := Condition.Active
	if r == RuleOpenLimit {
		which = Condition.Open
	}
	e.Time, e.Holders = d.holders.now(), d.holdersBut(z, which)
	e.Unnamed = max(0, len(e.Holders)-namedHolders)
	e.Holders = e.Holders[:len(e.Holders)-e.Unnamed]
	return e
}

// heldBy says who holds the slots, and how long.
func (e *Error) heldBy() string {
	if len(e.Holders) == 0 {
		return ""
	}
	var words []string
	for _, h := range e.Holders {
		words = append(words, fmt.Sprintf("zone %d (%s)", h.Zone, h.at(e.Time)))
	}
	if e.Unnamed > 0 {
		words = append(words, fmt.Sprintf("%d more", e.Unnamed))
	}
	return "; held by " + strings.Join(words, ", ")
}

// at is how a holder stands at a time.
func (h SlotHolder) at(now time.Time) string {
	s := h.Condition.String()
	if !h.Since.IsZero() {
		s += " for " + span(now.Sub(h.Since))
	}
	if h.Written.IsZero() {
		return s + ", not written meanwhile"
	}
	return s + ", written " + span(now.Sub(h.Written)) + " before"
}

// span is a time as long as clocks that are coarse can tell.
func span(t time.Duration) string {
	unit := 100 * time.Millisecond
	if t >= time.Minute {
		unit = time.Second
	}
	return max(0, t).Round(unit).String()
}
