// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// volatile is the write cache of a drive, as far as a power cut is concerned: what was
// in the sectors of conventional zones and plain images before the writes that no flush
// has covered yet. Such a write waits for a read of that. A nil volatile keeps nothing.
type volatile struct {
	mu       sync.Mutex
	now      map[uint64]*formerPage // by number; since the last flush began
	flushing map[uint64]*formerPage // before that, until it has succeeded
}

// formerPage is what some sectors of 4096 bytes of the disk were.
type formerPage struct {
	has  uint8 // bit by sector
	data [formerBytes]byte
}

const (
	formerBytes = 4096
	// A cache is only so large: with this many pages, 64 MiB, it is flushed.
	formerPages = 64 << 20 / formerBytes
	// What is kept at once, as often as there are workers, may come on top: whole clusters.
	formerPiece = 4 << 20
)

// Volatile reports whether a power cut takes writes to conventional zones, too.
func (d *Disk) Volatile() bool { return d.volatile != nil }

func newVolatile() *volatile { return &volatile{now: map[uint64]*formerPage{}} }

// remember keeps what a range of the disk is, before it is written for the first time
// since the last flush.
func (d *Disk) remember(off, n uint64) error {
	v := d.volatile
	if v == nil || !d.geo.IsConventional(d.geo.ZoneOf(off)) {
		return nil
	}
	if v.full() {
		if err := d.flush(); err != nil {
			return err
		}
	}
	return v.keep(d, off, n)
}

// full reports whether a flush has to make room. It comes before what is written next
// is kept: of that it covers nothing.
func (v *volatile) full() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.now) >= formerPages
}

func (v *volatile) keep(d *Disk, off, n uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var buf [formerBytes]byte
	for end := off + n; off < end; {
		k := off / formerBytes
		m := min(end, (k+1)*formerBytes) - off
		p := v.now[k]
		if p == nil {
			p = new(formerPage)
			v.now[k] = p
		}
		if err := d.img.ReadAt(buf[:m], off); err != nil {
			return err
		}
		for s := uint64(0); s < m; s += 512 {
			at := off%formerBytes + s
			if bit := uint8(1) << (at / 512); p.has&bit == 0 {
				p.has |= bit
				copy(p.data[at:], buf[s:min(s+512, m)])
			}
		}
		off += m
	}
	return nil
}

// beginFlush sets apart what a flush covers: what is written from now on is not.
func (v *volatile) beginFlush() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.flushing, v.now = v.now, map[uint64]*formerPage{}
}

// endFlush forgets what is durable. After a flush that has failed nothing is.
func (v *volatile) endFlush(err error) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.takeBack()
	}
	v.flushing = nil
}

// takeBack makes what was set apart count again: it is older. The caller holds mu.
func (v *volatile) takeBack() {
	for k, old := range v.flushing {
		p := v.now[k]
		if p == nil {
			v.now[k] = old
			continue
		}
		for s := range formerBytes / 512 {
			if old.has>>s&1 != 0 {
				copy(p.data[s*512:(s+1)*512], old.data[s*512:])
			}
		}
		p.has |= old.has
	}
}

// cut makes each sector that no flush has covered what it was or leaves it, as the seed
// has it. No request is in flight.
func (v *volatile) cut(d *Disk, c Cut) error {
	if v == nil || len(v.now)+len(v.flushing) == 0 {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.takeBack()
	for _, k := range slices.Sorted(maps.Keys(v.now)) {
		p, rng := v.now[k], rand.New(rand.NewPCG(c.Seed, 1<<63|k))
		for s := range uint64(formerBytes / 512) {
			lost := rng.Uint64()&1 == 0 || c.Lose
			off := k*formerBytes + s*512
			if p.has>>s&1 == 0 || !lost || off >= d.geo.Size {
				continue
			}
			if err := d.img.WriteAt(p.data[s*512:min((s+1)*512, s*512+d.geo.Size-off)], off); err != nil {
				return err
			}
		}
	}
	return d.img.Sync()
}
