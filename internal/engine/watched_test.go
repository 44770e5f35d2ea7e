// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// A chunk is what is measured at once: a zone, written or read in pieces of 4 KiB.
const (
	watchedZone  = 64 << 20
	watchedBlock = 4096
	watchedChunk = watchedZone / watchedBlock
)

// watches are the ways to look on. The second "off" is what two measurements of the same
// differ by.
var watches = []string{"off", "again", "metrics", "trace", "both"}

// watched is a disk whose page cache answers: nothing is quicker, so nothing shows more of
// what watching costs.
type watched struct {
	b    *testing.B
	lane *benchLane
}

// BenchmarkWatched is what it costs that somebody looks on: all ways take turns, in an order
// drawn for each round, and each metric is the median of the rounds' ratios to "off", of time
// and of CPU. -benchtime 50x are 50 rounds.
func BenchmarkWatched(b *testing.B) {
	b.Run("write", func(b *testing.B) { newWatched(b).run(true, inOrder) })
	b.Run("read", func(b *testing.B) {
		newWatched(b).run(false, func(uint64) ublk.IODesc { return watchedRequest(ublk.OpRead, rand.Uint64N(watchedChunk)) })
	})
}

func inOrder(n uint64) ublk.IODesc { return watchedRequest(ublk.OpWrite, n) }

func watchedRequest(op ublk.Op, block uint64) ublk.IODesc {
	return ublk.NewIODesc(op, 0, (watchedZone+block*watchedBlock)/512, watchedBlock/512)
}

func newWatched(b *testing.B) *watched {
	runtime.LockOSThread() // the ring is this thread's
	path := newImage(b, qcow2.CreateOptions{Size: 2 * watchedZone, Zone: &qcow2.ZoneOptions{Size: watchedZone, Conventional: 1}})
	d, err := OpenDisk(path, DiskOptions{Log: silent()})
	if err != nil {
		b.Fatal(err)
	}
	const depth = 32
	if err := d.Start(depth, nil); err != nil {
		b.Fatal(err)
	}
	l, err := newBenchLane(d, 0, depth, watchedBlock)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, f := range []func() error{l.closeRing, d.Close, l.close} {
			if err := f(); err != nil {
				b.Error(err)
			}
		}
		runtime.UnlockOSThread()
	})
	l.arm()
	l.q.counters.meter = &meter{moved: make([]uint64, d.geo.Zones())}
	w := &watched{b: b, lane: l}
	w.send(inOrder)
	return w
}

func (w *watched) send(target func(n uint64) ublk.IODesc) {
	if err := w.lane.send(watchedChunk, target); err != nil {
		w.b.Fatal(err)
	}
}

// empty makes the zone empty for the rules alone: its clusters stay, and are overwritten.
func (w *watched) empty() {
	z, op := w.lane.q.disk.zones, &w.lane.q.slots[0].op
	if _, err := z.BeginReset(op, watchedZone); err != nil {
		w.b.Fatal(err)
	}
	z.EndReset(op, nil)
}

// cost is what a chunk has taken.
type cost struct{ time, cpu time.Duration }

func (w *watched) chunk(way string, write bool, target func(n uint64) ublk.IODesc) cost {
	if write {
		w.empty()
	}
	w.lane.q.counters.metered = way == "metrics" || way == "both"
	end := func() {}
	if way == "trace" || way == "both" {
		end = w.trace()
	}
	runtime.GC() // of the ring of a trace before
	began, cpu := time.Now(), processTime()
	w.send(target)
	c := cost{time.Since(began), processTime() - cpu}
	end()
	return c
}

// trace has somebody read a trace, until the end is called.
func (w *watched) trace() (end func()) {
	stream, err := w.lane.q.disk.Trace("disk", 1<<16)
	if err != nil {
		w.b.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- stream(io.Discard, stop) }()
	return func() {
		close(stop)
		if err := <-done; err != nil {
			w.b.Error(err)
		}
	}
}

func (w *watched) run(write bool, target func(n uint64) ublk.IODesc) {
	for _, way := range watches { // warm
		w.chunk(way, write, target)
	}
	all := map[string][]cost{}
	w.b.ResetTimer()
	for range w.b.N {
		for _, k := range rand.Perm(len(watches)) { // none has always the same one before it
			way := watches[k]
			all[way] = append(all[way], w.chunk(way, write, target))
		}
	}
	w.b.StopTimer()
	w.b.ReportMetric(0, "ns/op")
	off := all["off"]
	w.b.ReportMetric(median(off, func(k int) float64 { return float64(off[k].time) / watchedChunk }), "off-ns")
	w.b.ReportMetric(median(off, func(k int) float64 { return float64(off[k].cpu) / watchedChunk }), "off-cpu-ns")
	for _, way := range watches[1:] {
		of := all[way]
		w.b.ReportMetric(median(of, func(k int) float64 { return float64(of[k].time) / float64(off[k].time) }), way+"/off")
		w.b.ReportMetric(median(of, func(k int) float64 { return float64(of[k].cpu) / float64(off[k].cpu) }), way+"/off-cpu")
	}
}

func median(all []cost, of func(k int) float64) float64 {
	var list []float64
	for k := range all {
		list = append(list, of(k))
	}
	slices.Sort(list)
	return list[len(list)/2]
}
