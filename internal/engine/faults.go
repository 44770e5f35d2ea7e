// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"zqublkd/internal/fault"
)

// faults are the rules by which requests go wrong on purpose.
type faults struct {
	set atomic.Pointer[fault.Set] // nil: none, which costs one look at it

	mu   sync.Mutex
	kept *fault.Set // set, also when it is empty: it knows the numbers given so far
}

// AddFault adds a rule and returns its number.
func (d *Disk) AddFault(r fault.Rule) (id int, err error) {
	if err := r.Check(d.geo.Zones(), d.geo.Size); err != nil {
		return 0, err
	}
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	next, id := d.faults.kept.With(r)
	d.faults.use(next)
	return id, nil
}

// ClearFaults takes away the rule of a number, or all for 0. Requests that it holds up
// come when they were to come.
func (d *Disk) ClearFaults(id int) error {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	next, ok := d.faults.kept.Without(id)
	if !ok {
		return fmt.Errorf("there is no fault %d", id)
	}
	d.faults.use(next)
	return nil
}

// Faults lists the rules with the requests that they have met.
func (d *Disk) Faults() []fault.Counted {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	return d.faults.kept.List()
}

func (f *faults) use(next *fault.Set) {
	f.kept = next
	if next.Empty() {
		next = nil
	}
	f.set.Store(next)
}

// meet asks the faults about the request of s, once. True: it does not go on now. A
// write that is to fail does: the rules have to hear of its end.
func (q *Queue) meet(s *slot, set *fault.Set) bool {
	if s.judged {
		return false
	}
	s.judged = true
	if s.operation.fault == "" {
		return false
	}
	if s.hit = set.Decide(q.disk.asked(s)); s.hit == nil {
		return false
	}
	if s.hit.Delay > 0 {
		s.late = true
		time.AfterFunc(s.hit.Delay, func() { q.post(s, stepLate) })
		return true
	}
	return q.spoil(s)
}

// goOnLate begins a request that was held up, unless the power is gone.
func (q *Queue) goOnLate(s *slot) {
	s.late = false
	switch {
	case q.disk.pause.cut.Load():
		q.refuse(s, ErrPowerCut)
	case !q.spoil(s):
		q.begin(s)
	}
}

// spoil answers a request that is to fail and that the rules need not know of.
func (q *Queue) spoil(s *slot) bool {
	if !s.spoiled() || s.operation.data == &toImage {
		return false
	}
	q.refuse(s, s.hit.Err)
	return true
}

// spoiled reports whether a fault makes the request fail.
func (s *slot) spoiled() bool { return s.hit != nil && s.hit.Err != nil }

// tear lets a write fail that the rules have granted, after some of its blocks have
// reached the image, if the fault is so.
func (q *Queue) tear(s *slot) {
	if s.hit.Torn == 0 || s.writtenBefore > 0 {
		q.end(s)
		return
	}
	q.copied.Add(1)
	s.limit = s.hit.Torn
	s.buf = q.bufs.take(s.tag, s.limit)
	if got, errno := q.lane.CopyFromRequestNow(s.tag, 0, s.buf); errno != 0 || got != len(s.buf) {
		s.err = copyError(result(got, errno), len(s.buf))
		q.end(s)
		return
	}
	q.write(s)
}

// asked is the request of s as the faults see it.
func (d *Disk) asked(s *slot) fault.Request {
	r := fault.Request{Op: s.operation.fault, Block: uint64(d.img.LogicalBlockSize()),
		Off: min(s.desc.Offset(), d.geo.Size-1)}
	last := d.geo.Zones() - 1
	r.First = d.geo.ZoneOf(r.Off)
	r.Last = r.First
	switch {
	case s.operation.data != nil:
		r.Bytes = s.desc.Bytes()
		return r
	case s.operation.allZones:
		r.First, r.Last = min(d.geo.Conventional, last), last
	case r.Op == fault.Flush:
		r.First, r.Last = 0, last
	case r.Op == fault.Report:
		r.Last = uint32(min(uint64(r.First)+max(uint64(s.desc.Zones()), 1)-1, uint64(last)))
	}
	r.Off = d.geo.Start(r.First)
	r.Bytes = d.geo.Start(r.Last) + d.geo.Length(r.Last) - r.Off
	return r
}
