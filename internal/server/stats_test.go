// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"testing"
	"time"

	"zqublkd/internal/tally"
)

func (w *world) stats(d *Device, q StatsQuery) tally.Stats {
	w.t.Helper()
	s, err := AskStats(w.run, d.info.ID, q, 10*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func count(s tally.Stats, op string) tally.Op {
	for _, o := range s.Ops {
		if o.Op == op {
			return o
		}
	}
	return tally.Op{}
}

// TestStats: numbers come through the socket; those of requests are a daemon's, that
// of recoveries the device's.
func TestStats(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	s := w.stats(d, StatsQuery{Meter: true})
	if o := count(s, "write"); o.OK != 1 || o.Bytes != 8192 || o.Latency != nil || !s.Metered || s.Recoveries != 0 {
		t.Errorf("%+v, %+v", o, s)
	}
	if s.Image.Virtual != d.disk.Image().VirtualSize() || s.Image.File == 0 || s.Image.Allocated == 0 || s.Detail != nil {
		t.Errorf("image %+v, detail %v", s.Image, s.Detail)
	}
	must(t, "write", w.write(d, testZone+8192, pattern(1, 8192)))
	s = w.stats(d, StatsQuery{Detail: true})
	if o := count(s, "write"); o.OK != 2 || o.Latency == nil || o.Latency.Count != 1 || s.Detail == nil {
		t.Errorf("%+v", o)
	}
	d.stopMeter()
	if s = w.stats(d, StatsQuery{}); s.Metered {
		t.Error("still measuring")
	}
	w.kill(d)

	d = w.up(RecoveryReissue)
	must(t, "write", w.write(d, testZone+2*8192, pattern(1, 8192)))
	if s = w.stats(d, StatsQuery{}); s.Recoveries != 1 || count(s, "write").OK != 1 {
		t.Errorf("after a death: %+v", s)
	}
	if err := d.handOver(); !errors.Is(err, ErrHandOver) {
		t.Fatal(err)
	}
	w.kill(d) // the process has ended
	d = w.up(RecoveryReissue)
	if s = w.stats(d, StatsQuery{}); s.Recoveries != 1 || count(s, "write").OK != 0 {
		t.Errorf("after a hand-over: %+v", s)
	}
	w.down(d)
	d = w.daemon(RecoveryOff)
	d.cfg.Metrics = true
	if err := d.bringUp(); err != nil {
		t.Fatal(err)
	}
	d.startMeter()
	must(t, "read", w.flush(d))
	d.stopMeter()
	if s = w.stats(d, StatsQuery{}); s.Recoveries != 0 || !s.Metered || count(s, "flush").Latency.Count != 1 {
		t.Errorf("measured from the beginning: %+v", s)
	}
	d.disk.Measure(d.lanes, false, false) // as if the thread had been stuck when it was told to
	w.stats(d, StatsQuery{})
	must(t, "flush", w.flush(d))
	if s = w.stats(d, StatsQuery{}); count(s, "flush").Latency.Count != 2 {
		t.Errorf("the thread was told once: %+v", count(s, "flush"))
	}
	w.down(d)
}
