// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"sync/atomic"

	"zqublkd/internal/statefile"
	"zqublkd/zoned"
)

// reissue knows what the daemon before this one had in flight. The kernel
// sends those requests again, possibly on other tags, and they must be served
// as if it had not died:
//
//   - A write whose data is acknowledged in the state file, and which a strict
//     judge would now find below the write pointer, has succeeded. It may come
//     back longer: while it waits in the block layer, the next write of the zone
//     can be merged into it. What is not there yet is written then.
//   - An append whose place is acknowledged there, but whose answer never left
//     the daemon, is written to that place again: the zone may have no room for
//     another. If the answer may have left, somebody may know the address, so
//     that place is not given to another request.
//   - Whatever was not acknowledged there has left no trace and is judged as
//     any request.
//
// A zone's flights are forgotten with its first request that is none of them:
// the kernel sends them again before anything new. Those of a zone that is not
// written any more stay, which costs requests of other zones no lock.
type reissue struct {
	left  atomic.Int64            // flights not matched yet; 0 on the hot path
	zones map[uint32]*zoneFlights // does not change
}

// zoneFlights are the flights of one zone that are not matched yet.
type zoneFlights struct {
	mu   sync.Mutex
	list []statefile.Carried
	left *atomic.Int64 // of all zones
}

func newReissue(flights []statefile.Carried) *reissue {
	r := &reissue{zones: map[uint32]*zoneFlights{}}
	for _, f := range flights {
		z := r.zones[f.Zone]
		if z == nil {
			z = &zoneFlights{left: &r.left}
			r.zones[f.Zone] = z
		}
		z.list = append(z.list, f)
	}
	r.left.Store(int64(len(flights)))
	return r
}

// match finds the flight that a write or append of n bytes at off repeats; for
// an append off is the start of its zone. done is the acknowledged write
// pointer of the zone. The flight is forgotten when the caller has recorded
// the request as its own.
func (z *zoneFlights) match(kind zoned.Operation, off, n, done uint64) (f statefile.Carried, ok bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	at, strict := -1, -1
	for i, f := range z.list {
		switch {
		case f.Kind != kind || !f.RepeatedBy(off, n):
		case !f.Acknowledged(done):
			strict = i
		case kind == zoned.OpWrite || !f.Committing:
			at = i
		case strict < 0: // lands anew
			strict = i
		}
	}
	switch {
	case at >= 0:
		f = z.list[at]
		z.drop(at)
		return f, true
	case strict >= 0:
		z.list[strict].Forget()
		z.drop(strict)
	default:
		z.forget()
	}
	return f, false
}

// back takes a flight again that has been matched in vain.
func (z *zoneFlights) back(f statefile.Carried) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.list = append(z.list, f)
	z.left.Add(1)
}

// drop takes one flight out; mu is held.
func (z *zoneFlights) drop(at int) {
	z.list = append(z.list[:at], z.list[at+1:]...)
	z.left.Add(-1)
}

// forget drops all flights; mu is held.
func (z *zoneFlights) forget() {
	for _, f := range z.list {
		f.Forget()
	}
	z.left.Add(-int64(len(z.list)))
	z.list = nil
}

// changed forgets what was in flight in a zone that a request changes as a whole, or
// in all zones.
func (r *reissue) changed(zone uint32, all bool) {
	for i, z := range r.zones {
		if i == zone || all {
			z.mu.Lock()
			z.forget()
			z.mu.Unlock()
		}
	}
}

// repeat serves the request of s if it repeats a flight whose data counts as
// written; else it is judged as any other, for what of it is not there yet.
func (q *Queue) repeat(s *slot) bool {
	d := q.disk
	zone := d.geo.ZoneOf(min(s.desc.Offset(), d.geo.Size-1))
	flights := d.reissue.zones[zone]
	if flights == nil {
		return false
	}
	kind := s.operation.write
	wp := d.zones.State(zone).WP
	f, ok := flights.match(kind, s.desc.Offset(), s.desc.Bytes(), wp)
	if !ok {
		return false
	}
	f.Length = s.desc.Bytes()
	if kind == zoned.OpAppend && !q.holdZone(s, f, flights) {
		return true
	}
	d.state.Begin(q.id, s.tag, f.InFlight)
	f.Forget()
	if kind == zoned.OpWrite {
		return q.repeatWrite(s, wp-f.Start)
	}
	s.off, s.operation = f.Start, &placedAppend
	q.writeCopy(s)
	return true
}

// holdZone begins the rewriting of an append that has its place. To the rules it
// is a read of that place: it changes no write pointer, but a reset or finish has
// to wait for it. False: it waits itself, and then asks again what it repeats.
func (q *Queue) holdZone(s *slot, f statefile.Carried, flights *zoneFlights) bool {
	v, _, err := q.disk.zones.BeginRead(&s.op, f.Start, f.Length)
	switch v {
	case zoned.Parked:
		flights.back(f)
	case zoned.Refused:
		f.Forget()
	}
	return q.granted(s, v, err)
}

// repeatWrite answers a write of which n bytes, from its start on, lie below the
// write pointer. It reports whether that is all of it; else the rest is to be
// written.
func (q *Queue) repeatWrite(s *slot, n uint64) bool {
	if n < s.desc.Bytes() {
		s.writtenBefore = n
		return false
	}
	q.answer(s)
	return true
}
