// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"flag"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

var exhaustiveOps = flag.Int("exhaustive.ops", 2, "operations of the longest sequences whose crash states are all looked at")

// smallStep is one operation of a sequence: on one of two sequential zones, 1 and
// 2, the conventional zone 0, or the disk.
type smallStep struct {
	name string
	zone uint32
	do   func(r *crashRun, zone uint32)
}

const smallWrite = 1536 // bytes: three sectors, in the first of a zone's clusters and later across two

// smallSteps are all operations there are.
func smallSteps() []smallStep {
	var list []smallStep
	each := func(name string, zones []uint32, do func(r *crashRun, zone uint32)) {
		for _, z := range zones {
			list = append(list, smallStep{fmt.Sprintf("%s %d", name, z), z, do})
		}
	}
	all, sequential, conventional := []uint32{1, 2, 0}, []uint32{1, 2}, []uint32{0}
	each("write", all, func(r *crashRun, z uint32) { r.smallWrite(z, 0) })
	each("FUA write", all, func(r *crashRun, z uint32) { r.smallWrite(z, ublk.FlagFUA) })
	each("append", sequential, func(r *crashRun, z uint32) { r.append(z, smallWrite) })
	each("reset", sequential, func(r *crashRun, z uint32) { r.reset(z) })
	each("finish", sequential, func(r *crashRun, z uint32) { r.finish(z) })
	each("open", sequential, func(r *crashRun, z uint32) { r.open(z) })
	each("discard", conventional, func(r *crashRun, _ uint32) { r.smallZero(ublk.OpDiscard) })
	each("zeroes", conventional, func(r *crashRun, _ uint32) { r.smallZero(ublk.OpWriteZeroes) })
	each("flush", conventional, func(r *crashRun, _ uint32) { r.flush() })
	each("reset all", conventional, func(r *crashRun, _ uint32) { r.resetAll() })
	each("kill", conventional, func(r *crashRun, _ uint32) { r.kill() })
	return list
}

// smallWrite writes at the write pointer or, in the conventional zone, over the
// middle of what it wrote there last.
func (r *crashRun) smallWrite(zone uint32, flags ublk.OpFlags) {
	if r.geo.IsConventional(zone) {
		r.put(512+1024*(uint64(len(r.deeds))%2), smallWrite, flags)
		return
	}
	if r.left(zone) >= smallWrite {
		r.put(r.wp(zone), smallWrite, flags)
	}
}

// smallZero covers a cluster and parts of its neighbours.
func (r *crashRun) smallZero(op ublk.Op) { r.zero(op, 512, 8192) }

func (r *crashRun) open(zone uint32) {
	if r.left(zone) > 0 {
		must(r.t, "open", r.s.zone(ublk.OpZoneOpen, r.geo.Start(zone)))
	}
}

// kill ends the daemon as SIGKILL does and starts the next. What that finds is on
// the disk: it has settled the image.
func (r *crashRun) kill() {
	d := r.begin(0, 0, 0, false)
	r.s.kill()
	r.s = newSimIn(r.t, r.rec, 1, 4)
	r.end(d)
	r.survived(d, r.wp)
}

// survived begins a new life of each sequential zone: what the one before has
// written below the write pointer there is now, durably.
func (p *promises) survived(d *deed, wp func(zone uint32) uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for z := p.geo.Conventional; z < p.geo.Zones(); z++ {
		old, end := p.life(z), wp(z)
		l := &life{reset: d}
		for _, w := range old.writes {
			if w.off < end {
				l.writes = append(l.writes, &deed{begun: d.begun, ended: d.ended, off: w.off, n: min(w.n, end-w.off), seed: w.seed, raw: w.raw, fua: true})
			}
		}
		if old.finish != nil && end == p.geo.WritableEnd(z) {
			l.finish, l.finished = d, old.finished
		}
		p.lives[z] = append(p.lives[z], l)
	}
}

// sequences calls f with every sequence of n of the steps. The two sequential zones
// are alike: the one that comes first is zone 1.
func sequences(steps []smallStep, n int, f func(list []smallStep)) {
	var grow func(list []smallStep, used bool)
	grow = func(list []smallStep, used bool) {
		if len(list) == n {
			f(list)
			return
		}
		for _, s := range steps {
			if s.zone == 2 && !used {
				continue
			}
			grow(append(list[:len(list):len(list)], s), used || s.zone == 1)
		}
	}
	grow(nil, false)
}

// TestExhaustive does every sequence of a few operations on a disk of two
// sequential zones and a conventional one, and looks at everything that a power cut
// during the last of them, or the stop after it, may leave: each choice of what
// waits for a sync kept and lost, each of it torn between any two sectors. Of
// sequences shorter than the longest also at what it leaves when the daemon was
// killed at any moment of the last operation and the next one is just starting.
// Cuts during the other operations belong to shorter sequences.
func TestExhaustive(t *testing.T) {
	ops := *exhaustiveOps
	if raceEnabled {
		ops = min(ops, 1)
	}
	base := created(t, qcow2.CreateOptions{Size: 3 * 16 << 10, ClusterSize: 4096, LogicalBlockSize: 512,
		Zone: &qcow2.ZoneOptions{Size: 16 << 10, Capacity: 12 << 10, Conventional: 1}})
	var done, states atomic.Int64
	t.Run("of", func(t *testing.T) {
		steps := smallSteps()
		for n := 1; n <= ops; n++ {
			by := map[string][][]smallStep{}
			sequences(steps, n, func(list []smallStep) { by[list[0].name] = append(by[list[0].name], list) })
			for first, lists := range by {
				t.Run(fmt.Sprintf("%d, %s first", n, first), func(t *testing.T) {
					t.Parallel()
					for _, list := range lists {
						states.Add(int64(exhaust(t, base, list, n < ops || n == 1)))
						done.Add(1)
					}
				})
			}
		}
	})
	t.Logf("%d sequences of at most %d operations, %d states", done.Load(), ops, states.Load())
}

// exhaust does one sequence and returns how many states it has looked at.
func exhaust(t *testing.T, base *storagetest.Mem, list []smallStep, killed bool) int {
	var names []string
	for _, s := range list {
		names = append(names, s.name)
	}
	name := strings.Join(names, ", ")
	rec := storagetest.NewRecorder(base.Clone())
	r := &crashRun{t: t, s: newSimIn(t, rec, 1, 4), rec: rec, block: 512}
	r.geo = r.s.disk.geo
	r.promises = newPromises(rec, r.geo)
	from := 0
	for _, s := range list {
		from = rec.Len()
		s.do(r, s.zone)
	}
	done := rec.Len()
	r.s.close()
	r.settle()
	looked := r.exhaustCuts(name, rec, from, func(n int) int { return n })
	if !killed {
		return looked
	}
	for at := from + 1; at <= done; at++ {
		fork := rec.Fork(at)
		s := newSimIn(t, fork, 1, 4)
		s.close()
		looked += r.exhaustCuts(fmt.Sprintf("%s, killed after %d", name, at), fork, at, func(int) int { return at })
	}
	return looked
}

// exhaustCuts looks at the states of a recording from an operation on; moment is
// when, in the recording of the sequence, the power went.
func (r *crashRun) exhaustCuts(name string, rec *storagetest.Recorder, from int, moment func(n int) int) int {
	rng := rand.New(rand.NewPCG(1, 7))
	seen := map[[2]uint64]bool{}
	seed := maphash.MakeSeed()
	for _, c := range statesFrom(rec, from, rng) {
		mem := rec.Crash(c.n, c.survives)
		key := [2]uint64{uint64(c.n), maphash.Bytes(seed, mem.Bytes())}
		if seen[key] {
			continue
		}
		seen[key] = true
		_, err := soundAfterCrash(mem)
		if err == nil {
			err = r.judgeMem(mem, moment(c.n))
		}
		if err != nil {
			r.t.Fatalf("%s: %v: %v", name, c, err)
		}
	}
	return len(seen)
}
