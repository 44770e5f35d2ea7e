// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"sync"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/zoned"
)

// stamp is a moment of a workload: its place among all begins and ends of
// requests, and how many operations the file had seen.
type stamp struct{ clock, op int }

var never = stamp{1 << 60, 1 << 60}

// deed is a request of a workload. What it has done may be on the disk after a
// crash at operation begun or later; it was answered before operation ended.
type deed struct {
	begun, ended stamp
	off, n       uint64 // bytes of the disk
	seed         uint64 // of its data; 0: zeros
	raw          []byte // its data, where it follows from no seed
	fua          bool
	hint         bool // it need not have happened: a discard
}

// differs is the first byte of b at which it is not the deed's data from byte
// at on; -1 if it is.
func (d *deed) differs(b []byte, at uint64) int {
	if d.raw == nil {
		return differs(b, at, d.seed)
	}
	if bytes.Equal(b, d.raw[at:at+uint64(len(b))]) {
		return -1
	}
	for k := range b {
		if b[k] != d.raw[at+uint64(k)] {
			return k
		}
	}
	return -1
}

// life is what a sequential zone held between two resets.
type life struct {
	reset    *deed // that began it, nil for the first
	writes   []*deed
	finish   *deed
	finished uint64 // write pointer when it was finished, byte of the disk
}

// promises is what a workload was promised by the answers it got.
type promises struct {
	mu      sync.Mutex
	rec     *storagetest.Recorder
	geo     zoned.Geometry
	clock   int
	deeds   []*deed
	flushes []*deed
	lives   [][]*life          // of sequential zones
	sectors map[uint64][]*deed // writes of conventional zones, by 512-byte sector
	idle    []bool             // by operations of the file: nothing is under way
}

func newPromises(rec *storagetest.Recorder, geo zoned.Geometry) *promises {
	p := &promises{rec: rec, geo: geo, lives: make([][]*life, geo.Zones()), sectors: map[uint64][]*deed{}}
	for z := geo.Conventional; z < geo.Zones(); z++ {
		p.lives[z] = []*life{{}}
	}
	return p
}

func (p *promises) now() stamp {
	p.clock++
	return stamp{p.clock, p.rec.Len()}
}

// begin notes that a request is about to be sent.
func (p *promises) begin(off, n, seed uint64, fua bool) *deed {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &deed{begun: p.now(), ended: never, off: off, n: n, seed: seed, fua: fua}
	p.deeds = append(p.deeds, d)
	return d
}

// found files what an image held before the workload.
func (p *promises) found(off uint64, raw []byte) {
	p.wrote(&deed{begun: stamp{-1, -1}, off: off, n: uint64(len(raw)), raw: raw, fua: true})
}

// end notes that it was answered.
func (p *promises) end(d *deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.ended = p.now()
}

func (p *promises) life(zone uint32) *life { return p.lives[zone][len(p.lives[zone])-1] }

// wrote files a write whose place is known.
func (p *promises) wrote(d *deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	zone := p.geo.ZoneOf(d.off)
	if !p.geo.IsConventional(zone) {
		l := p.life(zone)
		l.writes = append(l.writes, d)
		return
	}
	for s := d.off / 512; s < (d.off+d.n)/512; s++ {
		p.sectors[s] = append(p.sectors[s], d)
	}
}

func (p *promises) flushed(d *deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushes = append(p.flushes, d)
}

func (p *promises) wasReset(zone uint32, d *deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lives[zone] = append(p.lives[zone], &life{reset: d})
}

func (p *promises) wasFinished(zone uint32, wp uint64, d *deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.life(zone)
	l.finish, l.finished = d, wp
}

// touched says whether a sequential zone was ever part of the workload.
func (p *promises) touched(zone uint32) bool {
	l := p.lives[zone]
	return len(l) > 1 || len(l[0].writes) > 0 || l[0].finish != nil
}

// view is the promises as they stood at a crash after n operations.
type view struct {
	*promises
	n     int
	cover int // what was answered before this moment was flushed
}

func (p *promises) at(n int) view {
	v := view{p, n, 0}
	for _, f := range p.flushes {
		if f.ended.op <= n {
			v.cover = max(v.cover, f.begun.clock)
		}
	}
	return v
}

// durable: the deed must be on the disk. possible: it may be.
func (v view) durable(d *deed) bool {
	return d.ended.clock < v.cover || d.fua && d.ended.op <= v.n
}

func (v view) possible(d *deed) bool { return d.begun.op < v.n || d.ended.op <= v.n }

// floor is the least write pointer of a life, limit the largest; bytes of the
// disk.
func (v view) floor(zone uint32, l *life) uint64 {
	if l.finish != nil && l.finish.ended.op <= v.n {
		return v.geo.WritableEnd(zone)
	}
	wp := v.geo.Start(zone)
	for _, w := range l.writes {
		if v.durable(w) {
			wp = max(wp, w.off+w.n)
		}
	}
	return wp
}

func (v view) limit(zone uint32, l *life) uint64 {
	if l.finish != nil && v.possible(l.finish) {
		return v.geo.WritableEnd(zone)
	}
	wp := v.geo.Start(zone)
	for _, w := range l.writes {
		if v.possible(w) {
			wp = max(wp, w.off+w.n)
		}
	}
	return wp
}

// judgeZone holds a sequential zone against the promises: what is read from its
// start on, and its write pointer.
func (v view) judgeZone(zone uint32, wp uint64, got []byte) error {
	start := v.geo.Start(zone)
	if wp < start || wp > v.geo.WritableEnd(zone) || wp%512 != 0 {
		return fmt.Errorf("write pointer %d is no place in the zone", wp)
	}
	if i := firstNonZero(got[wp-start:]); i >= 0 {
		return fmt.Errorf("stale byte %#x at %d, above the write pointer %d", got[wp-start:][i], wp+uint64(i), wp)
	}
	var misfits []error
	for k := len(v.lives[zone]) - 1; k >= 0; k-- {
		err := v.fits(zone, k, wp, got)
		if err == nil {
			return nil
		}
		misfits = append(misfits, fmt.Errorf("life %d: %w", k, err))
	}
	return fmt.Errorf("write pointer %d fits no life it may be in: %v", wp, misfits)
}

func (v view) fits(zone uint32, k int, wp uint64, got []byte) error {
	lives := v.lives[zone]
	l, start := lives[k], v.geo.Start(zone)
	switch floor, limit := v.floor(zone, l), v.limit(zone, l); {
	case k > 0 && !v.possible(l.reset):
		return fmt.Errorf("not begun")
	case k+1 < len(lives) && lives[k+1].reset.ended.op <= v.n:
		return fmt.Errorf("ended by a durable reset")
	case wp < floor:
		return fmt.Errorf("written durably up to %d", floor)
	case wp > limit:
		return fmt.Errorf("written only up to %d", limit)
	}
	end := wp
	if l.finish != nil && wp == v.geo.WritableEnd(zone) {
		end = l.finished
		if i := firstNonZero(got[end-start : wp-start]); i >= 0 {
			return fmt.Errorf("stale byte in the finished tail at %d", end+uint64(i))
		}
	}
	return l.holds(start, end, got)
}

// holds: what the zone's start to end reads as is what was written there.
func (l *life) holds(start, end uint64, got []byte) error {
	at := start
	for _, w := range l.writes {
		if w.off >= end {
			break
		}
		n := min(w.n, end-w.off)
		if bad := w.differs(got[w.off-start:][:n], 0); bad >= 0 {
			return fmt.Errorf("data written at %d differs from byte %d on", w.off, bad)
		}
		at = w.off + n
	}
	if at < end {
		return fmt.Errorf("nothing was written from %d to %d", at, end)
	}
	return nil
}

// settle ends the workload: it puts writes in the order of the disk and finds
// out between which operations of the file nothing is under way: no request, and
// the last one that was answered was a flush, so that nothing waits to be given
// back either.
func (p *promises) settle() {
	sort.Slice(p.deeds, func(a, b int) bool { return p.deeds[a].ended.clock < p.deeds[b].ended.clock })
	p.idle = make([]bool, p.rec.Len()+1)
	for k, d := range p.deeds {
		if !slices.Contains(p.flushes, d) || p.beside(d) {
			continue
		}
		until := len(p.idle)
		for _, later := range p.deeds[k+1:] {
			until = min(until, later.begun.op+1, later.ended.op)
		}
		for n := d.ended.op; n < until; n++ {
			p.idle[n] = true
		}
	}
	for _, lives := range p.lives {
		for _, l := range lives {
			sort.SliceStable(l.writes, func(a, b int) bool { return l.writes[a].off < l.writes[b].off })
		}
	}
}

// beside says whether another request than a flush was under way during the flush
// d, whose garbage may have come too late for it.
func (p *promises) beside(d *deed) bool {
	return slices.ContainsFunc(p.deeds, func(e *deed) bool {
		return e.begun.clock < d.ended.clock && e.ended.clock > d.begun.clock && !slices.Contains(p.flushes, e)
	})
}

// judgeSector holds a sector of a conventional zone against the promises: it
// has one of the contents it may have.
func (v view) judgeSector(s uint64, got []byte) error {
	list := v.sectors[s]
	for k := len(list) - 1; k >= 0; k-- {
		if v.possible(list[k]) && list[k].differs(got, s*512-list[k].off) < 0 {
			return nil
		}
		if v.durable(list[k]) && !list[k].hint {
			return fmt.Errorf("sector %d holds %x...: neither what was written durably nor anything later", s, got[:8])
		}
	}
	if firstNonZero(got) >= 0 {
		return fmt.Errorf("sector %d holds %x...: nothing that was written there", s, got[:8])
	}
	return nil
}
