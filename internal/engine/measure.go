// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zqublkd/internal/tally"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// question is what a queue's thread is asked when somebody wants to know its counters.
type question struct {
	meter bool // from now on it is to measure, or not
	state tally.Queue
	count counters // the answer; its meter is a copy
	done  chan struct{}
}

// asking is where a question waits for the thread.
type asking struct {
	mu   sync.Mutex // one asks at a time
	next atomic.Pointer[question]
	last *question // that was answered
}

// reply answers the question that waits, if one does.
func (q *Queue) reply() {
	a := q.asking.next.Load()
	if a == nil || !q.asking.next.CompareAndSwap(a, nil) {
		return
	}
	c := &q.counters
	if c.metered = a.meter; a.meter && c.meter == nil {
		c.meter = &meter{moved: make([]uint64, q.disk.geo.Zones())}
	}
	a.count = *c
	if m := c.meter; m != nil {
		a.count.meter = &meter{latency: m.latency, moved: slices.Clone(m.moved)}
	}
	a.state = q.stand()
	close(a.done)
}

// maxWaitingFor bounds the zones that are named.
const maxWaitingFor = 8

// stand is how the queue stands.
func (q *Queue) stand() tally.Queue {
	t := tally.Queue{ID: q.id, Depth: len(q.slots), For: []uint32{}}
	for i := range q.slots {
		s := &q.slots[i]
		if s.answered {
			continue
		}
		t.InFlight++
		switch {
		case s.late:
			t.Late++
		case s.parked:
			t.Waiting++
			if len(t.For) < maxWaitingFor {
				t.For = append(t.For, s.op.Zone)
			}
		}
	}
	return t
}

// opName is how an operation is called in words.
func opName(op ublk.Op) string {
	return strings.ToLower(strings.ReplaceAll(op.String(), "_", "-"))
}

// ask has the thread of q answer, within a time; else stuck is set, and the answer is
// the last that it gave.
func (q *Queue) ask(meter bool, end <-chan time.Time) (answer question, stuck bool) {
	q.asking.mu.Lock()
	defer q.asking.mu.Unlock()
	a := &question{meter: meter, done: make(chan struct{})}
	q.asking.next.Store(a)
	q.lane.Wake()
	select {
	case <-a.done:
		q.asking.last = a
		return *a, false
	case <-end:
		q.asking.next.CompareAndSwap(a, nil)
	}
	if q.asking.last != nil {
		return *q.asking.last, true
	}
	return question{state: tally.Queue{ID: q.id, Depth: len(q.slots), For: []uint32{}}}, true
}

// measureTime is how long the threads may take to say what they have counted; they
// do so between two requests.
const measureTime = 300 * time.Millisecond

// Measure asks the threads of queues for what they have counted, and fills in how
// the zones stand. With meter they measure from now on, without it no more: each time
// anew, as a thread that is stuck does not hear it.
func (d *Disk) Measure(queues []*Queue, meter, detail bool) tally.Stats {
	s := tally.Stats{Time: time.Now(), Jobs: int(d.busy.Load()), Errors: d.lastErrors.counts()}
	answers := make([]question, len(queues))
	var all sync.WaitGroup
	for k, q := range queues {
		all.Go(func() {
			var stuck bool
			answers[k], stuck = q.ask(meter, time.After(measureTime))
			answers[k].state.Stuck = stuck
		})
	}
	all.Wait()
	var moved []uint64
	if detail {
		moved = make([]uint64, d.geo.Zones())
	}
	for k := range answers {
		a := &answers[k]
		s.Queues = append(s.Queues, a.state)
		s.Cache.Lookups += a.count.lookups
		s.Cache.Misses += a.count.misses
		if a.count.meter != nil {
			for z, n := range a.count.meter.moved[:len(moved)] {
				moved[z] += n
			}
		}
	}
	s.Ops = opsOf(answers)
	d.measureZones(&s, moved)
	return s
}

// opsOf adds up what the queues have done for each operation.
func opsOf(answers []question) []tally.Op {
	list := []tally.Op{}
	for op := range operations {
		if operations[op].begin == nil {
			continue
		}
		t := tally.Op{Op: opName(ublk.Op(op))}
		for k := range answers {
			a := &answers[k].count
			t.OK += a.ops[op].ok
			t.Failed += a.ops[op].failed
			t.Bytes += a.ops[op].bytes
			if a.meter != nil && a.meter.latency[op].Count > 0 {
				if t.Latency == nil {
					t.Latency = &tally.Histogram{}
				}
				t.Latency.Add(&a.meter.latency[op])
			}
		}
		if t.OK+t.Failed > 0 {
			list = append(list, t)
		}
	}
	return list
}

// measureZones fills in how the zones stand; moved is nil if nobody wants to know it
// of each.
func (d *Disk) measureZones(s *tally.Stats, moved []uint64) {
	s.Conditions = map[string]uint32{}
	if d.img.Zoned() == nil {
		return
	}
	l := d.zones.Limits()
	s.Zones, s.Limits = d.geo.Zones(), tally.Limits{Open: l.MaxOpen, Active: l.MaxActive}
	s.Open, s.Active = d.zones.Open(), d.zones.Active()
	if moved != nil {
		s.Detail = &tally.Detail{ZoneSize: d.geo.ZoneSize, Moved: moved, Conditions: make([]byte, s.Zones),
			Written: make([]uint64, s.Zones)}
	}
	var count [16]uint32
	for i := range s.Zones {
		z := d.zones.State(i)
		count[z.Condition]++
		if s.Detail != nil {
			s.Detail.Conditions[i], s.Detail.Written[i] = byte(z.Condition), z.WP-d.geo.Start(i)
		}
	}
	for _, c := range zoned.Conditions {
		s.Conditions[c.String()] = count[c]
	}
	for _, h := range d.zones.SlotHolders() {
		if len(s.Holders) == tally.MaxHolders {
			break
		}
		s.Holders = append(s.Holders,
			tally.SlotHolder{Zone: h.Zone, Condition: h.State, Since: h.Since, Written: h.Written})
	}
}
