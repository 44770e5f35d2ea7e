// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/tally"
	"zqublkd/ublk"
)

// opIn finds an operation in what was measured.
func opIn(s tally.Stats, name string) tally.Op {
	for _, o := range s.Ops {
		if o.Op == name {
			return o
		}
	}
	return tally.Op{}
}

// TestMeasure: the counters say what was done, request by request, and latencies are
// there from when somebody asks for them.
func TestMeasure(t *testing.T) {
	d, err := OpenDisk(newImage(t, small()), DiskOptions{Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, d, 2, 4)
	defer r.close()
	write := func(queue int, off uint64) unix.Errno {
		return r.do(queue, ublk.OpWrite, 0, off, 4096, pattern(1, 4096)).Errno()
	}
	for k := range uint64(5) {
		must(t, "write", write(int(k), testZone+4096*k))
	}
	if write(0, testZone) == 0 || write(1, 2*testZone+4096) == 0 {
		t.Fatal("a write off the write pointer was let in")
	}
	must(t, "read", r.do(0, ublk.OpRead, 0, testZone, 8192, make([]byte, 8192)).Errno())
	s := d.Measure(r.bufs, true, false)
	w, rd := opIn(s, "write"), opIn(s, "read")
	if w.OK != 5 || w.Failed != 2 || w.Bytes != 5*4096 || w.Latency != nil || rd.OK != 1 || rd.Bytes != 8192 || s.Metered {
		t.Errorf("%+v %+v metered %v", w, rd, s.Metered)
	}
	if s.Errors["not at the write pointer"] != 2 || len(s.Errors) != 1 {
		t.Errorf("errors %v", s.Errors)
	}
	if s.Conditions["implicit-open"] != 1 || s.Conditions["empty"] != 6 || s.Conditions["not-write-pointer"] != 1 || s.Open != 1 {
		t.Errorf("conditions %v, %d open", s.Conditions, s.Open)
	}
	for k := range uint64(4) {
		must(t, "write", write(int(k), 3*testZone+4096*k))
	}
	s = d.Measure(r.bufs, false, true)
	if w = opIn(s, "write"); w.OK != 9 || w.Latency == nil || w.Latency.Count != 4 || w.Latency.Quantile(0.5) > time.Minute {
		t.Errorf("%+v", w)
	}
	if s.Detail == nil || s.Detail.Moved[3] != 4*4096 || s.Detail.Moved[1] != 0 || s.Detail.Written[1] != 5*4096 || s.Detail.Conditions[3] != 2 {
		t.Errorf("%+v", s.Detail)
	}
	if len(s.Holders) != 2 || s.Holders[0].Zone != 1 || s.Holders[1].Zone != 3 || s.Holders[0].Written.IsZero() {
		t.Errorf("holders %+v", s.Holders)
	}
	must(t, "write", write(0, 3*testZone+4*4096))
	s = d.Measure(r.bufs, false, true)
	if w = opIn(s, "write"); w.OK != 10 || w.Latency.Count != 4 || s.Detail.Moved[3] != 4*4096 {
		t.Errorf("switched off: %+v", w)
	}
}

// TestMeasureStuck: a queue whose thread does not come round is named, its counters
// are those of before, and nobody waits for it.
func TestMeasureStuck(t *testing.T) {
	s := newSim(t, newImage(t, small()), 1, 4)
	defer s.close()
	must(t, "write", s.write(testZone, pattern(1, 4096)))
	q := s.queues[0]
	s.disk.Measure([]*Queue{q.q}, false, false)
	held := make(chan struct{})
	q.events <- func() { <-held }
	began := time.Now()
	m := s.disk.Measure([]*Queue{q.q}, false, false)
	if !m.Queues[0].Stuck || opIn(m, "write").OK != 1 || time.Since(began) > 5*time.Second {
		t.Errorf("%+v after %v", m, time.Since(began))
	}
	close(held)
	if m = s.disk.Measure([]*Queue{q.q}, false, false); m.Queues[0].Stuck {
		t.Errorf("%+v", m)
	}
}

// TestMeteredHotPathTakesNoMemory: what counts costs no memory, on or off.
func TestMeteredHotPathTakesNoMemory(t *testing.T) {
	for name, on := range map[string]bool{"off": false, "on": true} {
		t.Run(name, func(t *testing.T) {
			l := newBench(t)
			if on {
				l.q.counters.metered, l.q.counters.meter = true, &meter{moved: make([]uint64, l.q.disk.geo.Zones())}
			}
			at := uint64(1 << 30)
			if n := testing.AllocsPerRun(200, func() {
				l.do(ublk.NewIODesc(ublk.OpWrite, 0, at/512, 8))
				l.do(ublk.NewIODesc(ublk.OpRead, 0, at/512, 8))
				at += 4096
			}); n != 0 {
				t.Error(n)
			}
			if on && l.q.counters.meter.latency[ublk.OpRead].Count == 0 {
				t.Error("nothing was measured")
			}
		})
	}
}

// TestLatencyIsCountedOnce: when its answer goes to the kernel, from when it came or, if
// others had come with it, from when they were looked at.
func TestLatencyIsCountedOnce(t *testing.T) {
	c := counters{metered: true, meter: &meter{}}
	slots := make([]slot, 3)
	for k := range slots {
		slots[k].desc = ublk.NewIODesc(ublk.OpWrite, 0, 0, 8)
		c.began(&slots[k])
		time.Sleep(time.Millisecond)
	}
	if slots[0].began == 0 || slots[2].began != slots[0].began {
		t.Errorf("requests that came together: %d, %d", slots[0].began, slots[2].began)
	}
	first := slots[0].began
	h := &c.meter.latency[ublk.OpWrite]
	for _, step := range []struct {
		tags []uint16
		want uint64
	}{{nil, 0}, {[]uint16{0, 2}, 2}, {[]uint16{2}, 2}, {[]uint16{1}, 3}} {
		if c.submitting(slots, step.tags); h.Count != step.want || time.Duration(h.Nanos) < 3*time.Millisecond*time.Duration(step.want) {
			t.Errorf("after answers to %v: %d in %d ns", step.tags, h.Count, h.Nanos)
		}
	}
	if c.began(&slots[0]); slots[0].began <= first {
		t.Error("after a submission it was not looked at the clock")
	}
	c.metered = false
	c.began(&slots[0])
	if c.submitting(slots, []uint16{0}); h.Count != 3 {
		t.Error("measured though nobody asks")
	}
}
