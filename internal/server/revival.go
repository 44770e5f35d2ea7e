package server

import (
	"sync"
	"sync/atomic"

	"zqublkd/ublk"
	"zqublkd/zoned"
)

// revival knows what the daemon before this one had in flight. The kernel
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
// the kernel sends them again before anything new.
type revival struct {
	left  atomic.Int64 // flights not matched yet; 0 on the hot path
	mu    sync.Mutex
	zones map[uint32][]carriedFlight
}

func newRevival(flights []carriedFlight) *revival {
	r := &revival{zones: map[uint32][]carriedFlight{}}
	for _, f := range flights {
		r.zones[f.Zone] = append(r.zones[f.Zone], f)
	}
	r.left.Store(int64(len(flights)))
	return r
}

// repeatedBy says that a request of n bytes at off may be f again.
func (f Flight) repeatedBy(off, n uint64) bool {
	if f.Kind == zoned.OpWrite {
		return f.Start == off && f.Length <= n
	}
	return f.Length == n
}

// acknowledged says that data of f lies below the write pointer of its zone. A
// write may be there in part: what was merged into it came later.
func (f Flight) acknowledged(wp uint64) bool {
	if f.Kind == zoned.OpWrite {
		return f.Start < wp
	}
	return f.Start+f.Length <= wp
}

// match finds the flight that a write or append of n bytes at off repeats; for
// an append off is the start of its zone. done is the acknowledged write
// pointer of the zone. The flight is forgotten when the caller has recorded
// the request as its own.
func (r *revival) match(kind zoned.Operation, zone uint32, off, n, done uint64) (f carriedFlight, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.zones[zone]
	at, strict := -1, -1
	for i, f := range list {
		switch {
		case f.Kind != kind || !f.repeatedBy(off, n):
		case !f.acknowledged(done):
			strict = i
		case kind == zoned.OpWrite || !f.Committing:
			at = i
		case strict < 0: // lands anew
			strict = i
		}
	}
	switch {
	case at >= 0:
		f = list[at]
		r.drop(zone, at)
		return f, true
	case strict >= 0:
		list[strict].forget()
		r.drop(zone, strict)
	default:
		r.forget(zone)
	}
	return f, false
}

func (r *revival) drop(zone uint32, at int) {
	list := r.zones[zone]
	r.zones[zone] = append(list[:at], list[at+1:]...)
	r.left.Add(-1)
}

// forget drops all flights of a zone; mu is held.
func (r *revival) forget(zone uint32) {
	for _, f := range r.zones[zone] {
		f.forget()
	}
	r.left.Add(-int64(len(r.zones[zone])))
	delete(r.zones, zone)
}

// changes is told of a request that changes a zone as a whole.
func (r *revival) changes(zone uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(zone)
}

// repeat serves the request of s if it repeats a flight whose data counts as
// written; else it is judged as any other, for what of it is not there yet.
func (q *queue) repeat(s *slot) bool {
	d := q.disk
	zone := d.geo.ZoneOf(min(s.desc.Offset(), d.geo.Size-1))
	if d.geo.IsConventional(zone) {
		return false
	}
	kind := zoned.OpWrite
	if s.desc.Op() == ublk.OpZoneAppend {
		kind = zoned.OpAppend
	}
	wp := d.zones.State(zone).WP
	f, ok := d.revival.match(kind, zone, s.desc.Offset(), s.desc.Bytes(), wp)
	if !ok {
		return false
	}
	f.Length = s.desc.Bytes()
	d.state.Begin(q.id, s.tag, f.Flight)
	f.forget()
	if kind == zoned.OpWrite {
		return q.repeatWrite(s, wp-f.Start)
	}
	s.op.Kind, s.op.Zone, s.op.Start, s.op.Length = kind, zone, f.Start, f.Length
	s.off, s.repeated = f.Start, true
	q.fetchData(s)
	return true
}

// repeatWrite answers a write that lies below the write pointer, there bytes
// above its start; of one that reaches higher the rest is to be written.
func (q *queue) repeatWrite(s *slot, there uint64) bool {
	if there < s.desc.Bytes() {
		s.there = there
		return false
	}
	q.answer(s)
	return true
}
