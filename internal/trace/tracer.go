// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"io"
	"sync/atomic"
	"time"

	"zqublkd/zoned"
)

// Tracer takes the records of one device, for one who looks.
type Tracer struct {
	Turns atomic.Uint64 // the last turn there was

	begun    int64
	ring     *ring
	was      []zoned.Condition // of each zone, under its lock
	implicit atomic.Int32
	bytes    [recordBytes]byte // being written
}

// Bounds of the number of records that a ring has room for.
const (
	MinRing     = 16
	MaxRing     = 1 << 20
	DefaultRing = 1 << 16
)

// unseen is the condition of a zone that nothing has been heard of.
const unseen = zoned.Condition(0xff)

// New returns a tracer of a device of so many zones, with room for n records.
func New(zones uint32, n int) *Tracer {
	t := &Tracer{begun: time.Now().UnixNano(), ring: newRing(n), was: make([]zoned.Condition, zones)}
	for i := range t.was {
		t.was[i] = unseen
	}
	return t
}

// Answered takes the record of a request. One that has no turn gets it now.
func (t *Tracer) Answered(r *Record, begun int64) {
	r.Kind, r.Time = Request, time.Now().UnixNano()
	if begun < t.begun { // before the trace, when nobody counted turns
		r.Turn = 0
	} else {
		r.Latency = uint64(max(0, r.Time-begun))
		if r.Turn == 0 {
			r.Turn = t.Turns.Add(1)
		}
	}
	t.ring.put(r)
}

// ZoneChanged takes a change of a zone, under the zone's lock.
func (t *Tracer) ZoneChanged(i uint32, s zoned.State) {
	r := t.state(i, s)
	r.Kind = Zone
	t.ring.put(&r)
	before := t.was[i]
	t.was[i] = s.Condition
	if before == unseen {
		before = zoned.Empty
	}
	if step := open(s.Condition) - open(before); step != 0 {
		r.Kind, r.Count = Implicit, uint32(max(0, t.implicit.Add(step)))
		t.ring.put(&r)
	}
}

func open(c zoned.Condition) int32 {
	if c == zoned.ImplicitOpen {
		return 1
	}
	return 0
}

// initial is how a zone stands now, under the zone's lock.
func (t *Tracer) initial(i uint32, s zoned.State) Record {
	r := t.state(i, s)
	r.Kind = Initial
	if t.was[i] == unseen {
		t.implicit.Add(open(s.Condition))
		t.was[i] = s.Condition
	}
	return r
}

func (t *Tracer) state(i uint32, s zoned.State) Record {
	return Record{Zone: i, Turn: t.Turns.Add(1), Time: time.Now().UnixNano(), Place: s.WP, Cond: s.Condition}
}

// Visit calls f for each zone with its state, under the zone's lock.
type Visit func(f func(zone uint32, s zoned.State))

// Stream writes a trace to w, each record soon after it came, until stop is closed.
// What is under way is to have ended by then, or is not in the trace. off is
// called then: it takes the tracer away from those who feed it.
func (t *Tracer) Stream(w io.Writer, h Header, visit Visit, stop <-chan struct{}, off func()) error {
	defer off()
	out := bufio.NewWriterSize(w, 64<<10)
	if err := writeHeader(out, h); err != nil {
		return err
	}
	err := t.writeInitial(out, visit)
	var told Lost
	for idle := pollMin; err == nil; idle = min(2*idle, pollMax) {
		n, e := t.drain(out, &told)
		if e == nil {
			e = out.Flush()
		}
		if err = e; n > 0 {
			idle = pollMin
		}
		select {
		case <-stop:
			off()
			time.Sleep(pollMax) // for those who are just putting
			return t.finish(out, &told)
		case <-time.After(idle):
		}
	}
	return err
}

// How often the ring is looked at, by how busy it is: nobody who puts wakes the
// one who takes.
const (
	pollMin = 1 * time.Millisecond
	pollMax = 20 * time.Millisecond
)

// writeInitial writes how the zones stand. They are gathered first: a zone's lock
// is not held while whoever reads is slow.
func (t *Tracer) writeInitial(out *bufio.Writer, visit Visit) error {
	all := make([]Record, 0, len(t.was))
	visit(func(i uint32, s zoned.State) { all = append(all, t.initial(i, s)) })
	for i := range all {
		if err := t.write(out, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tracer) write(out *bufio.Writer, r *Record) error {
	encodeRecord(&t.bytes, r)
	_, err := out.Write(t.bytes[:])
	return err
}

// drain writes what the ring has, and what it had no room for.
func (t *Tracer) drain(out *bufio.Writer, told *Lost) (n int, err error) {
	var r Record
	for ; n < len(t.ring.cells) && t.ring.take(&r); n++ {
		if err := t.write(out, &r); err != nil {
			return n, err
		}
	}
	if all := t.ring.lost(); all != *told {
		r = all.since(*told).record(Dropped)
		*told = all
		err = t.write(out, &r)
	}
	return n, err
}

// finish writes what is left, and the end.
func (t *Tracer) finish(out *bufio.Writer, told *Lost) error {
	if _, err := t.drain(out, told); err != nil {
		return err
	}
	r := told.record(End)
	if err := t.write(out, &r); err != nil {
		return err
	}
	return out.Flush()
}
