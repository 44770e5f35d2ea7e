// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/ublk"
)

// Workloads of daemons that are killed and storage that fails or is full.

// killedNowAndThen: the next daemon starts on what the page cache of the one
// before holds.
func killedNowAndThen(r *crashRun) {
	for k := range 90 {
		r.mixedStep(r.sequential())
		if k%13 == 12 {
			r.kill()
		}
	}
}

func killedOnPlainDisk(r *crashRun) {
	for range 5 {
		plainSteps(r, 20)
		r.kill()
	}
}

// syncsFail: what a failed sync was for is lost in part, the disk fails, and is
// deleted and added again.
func syncsFail(r *crashRun) {
	r.rec.Lose(storagetest.Shuffled(*crashSeed))
	for range 6 {
		for range 12 {
			r.mixedStep(r.sequential())
		}
		r.failSync()
	}
}

func syncsFailOnPlainDisk(r *crashRun) {
	r.rec.Lose(storagetest.Shuffled(*crashSeed))
	for range 6 {
		plainSteps(r, 15)
		r.failSync()
	}
}

// failSync lets a sync fail, that of the next reset, finish or flush or one within
// a write, and does what the documents say then: del, add.
func (r *crashRun) failSync() {
	r.rec.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: 1 + r.rng.IntN(3), Err: unix.EIO})
	for tries := 0; r.s.disk.Failure() == nil && tries < 100; tries++ {
		r.failingStep()
	}
	if r.s.disk.Failure() == nil {
		r.t.Fatal("no sync has failed")
	}
	r.rec.Heal()
	r.loseUnflushed()
	d := r.begin(0, 0, 0, false)
	if err := r.s.shut(); err == nil {
		r.t.Fatal("the disk that has failed stops without a word")
	}
	r.s = newSimIn(r.t, r.rec, 2, 16)
	r.end(d)
	r.survived(d, r.wp)
}

// failingStep writes or flushes, and takes an error for an answer.
func (r *crashRun) failingStep() {
	zone := r.geo.Zones() - 1
	n := r.blocks(3)
	d := r.begin(r.wp(zone), n, r.seeds.Add(1), false)
	switch {
	case r.rng.IntN(3) == 0:
		d.n = 0
		if r.s.flush() == 0 {
			r.end(d)
			r.flushed(d)
		}
		return
	case r.geo.IsConventional(zone):
		d.off = r.rng.Uint64N((r.geo.Size-n)/r.block) * r.block
	case r.left(zone) < n:
		if r.s.zone(ublk.OpZoneReset, r.geo.Start(zone)) == 0 {
			r.end(d)
			r.wasReset(zone, d)
		} else {
			r.mayBeReset(zone, d)
		}
		return
	}
	if r.s.write(d.off, contents(n, d.seed)) == 0 {
		r.end(d)
		r.wrote(d)
	} else if r.geo.IsConventional(zone) {
		r.wrote(d) // each sector old or new
	}
}

// resetsWithoutRoom: there is no room for a slot in the middle of a RESET ALL,
// which fails and has changed nothing.
func resetsWithoutRoom(r *crashRun) {
	table := int64(r.s.disk.img.Zoned().TableOffset)
	for room := range 2 {
		r.write(1, 1024)
		r.write(3, 512)
		r.flush()
		r.write(3, 1024)
		r.rec.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: 1 + room, Err: unix.ENOSPC, Moved: 8, From: table, To: table + 5*8})
		r.resetFails()
		r.rec.Heal()
	}
	r.flush()
	r.resetAll()
}

// resetFails: while the reset is under way each zone may be empty, and after it
// every one is what it was.
func (r *crashRun) resetFails() {
	d := r.begin(0, 0, 0, false)
	if errno := r.s.zone(ublk.OpZoneResetAll, 0); errno != unix.ENOSPC {
		r.t.Fatalf("reset of all zones, without room: %v", errno)
	}
	r.end(d)
	for z := r.geo.Conventional; z < r.geo.Zones(); z++ {
		r.mayBeReset(z, d)
	}
}

// mayBeReset files a reset that has failed: while it was under way the zone may
// have been empty, and then it is what it was, unless it has not been answered.
func (p *promises) mayBeReset(zone uint32, d *deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := *p.life(zone)
	again.reset = d
	p.lives[zone] = append(p.lives[zone], &life{reset: d}, &again)
}

// loseUnflushed: a sync has failed, and what was answered and not flushed need not
// be there, whatever is flushed later.
func (p *promises) loseUnflushed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.at(p.rec.Len())
	for _, d := range p.deeds {
		d.hint = d.hint || !v.durable(d)
	}
}

// writesInTwo is everything at once, with writes that are two calls each: what one
// request writes lies between the halves of another.
func writesInTwo(r *crashRun) {
	r.rec.Split(func(n int) int { return n / 2 / 8 * 8 })
	atOnce(r)
}

// interleaved: clients write every fourth sector each, so that all of them are at
// work in one cluster, which is compressed until the first of them comes.
func interleaved(r *crashRun) {
	r.rec.Pause(func(k storagetest.OpKind) {
		if k == storagetest.OpSync || k == storagetest.OpDirect {
			time.Sleep(time.Millisecond) // long enough for the others on a machine that is busy
		}
	})
	r.together(4, func(k int, rng *rand.Rand) {
		groups := r.geo.Size / 512 / 4
		for i := range uint64(60) {
			group := rng.Uint64N(groups)
			if i%2 == 0 { // all of them meet in one cluster after the other
				group = i * 2 % groups
			}
			r.put((group*4+uint64(k))*512, 512, 0)
		}
	})
}
