// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"fmt"
	"sync"
	"syscall"

	"zqublkd/zoned"
)

// tally runs n requests at the same time and counts their answers.
func (d *drive) tally(n int, request func(k int) syscall.Errno) map[syscall.Errno]int {
	d.acts = append(d.acts, fmt.Sprintf("%d requests at the same time", n))
	answers := make([]syscall.Errno, n)
	d.answered("requests at the same time", func() syscall.Errno {
		var all sync.WaitGroup
		for k := range n {
			all.Go(func() { answers[k] = request(k) })
		}
		all.Wait()
		return 0
	})
	counts := map[syscall.Errno]int{}
	for _, e := range answers {
		counts[e]++
	}
	return counts
}

// answers: of requests at the same time, ok succeed and the rest fails with e.
func (d *drive) answers(got map[syscall.Errno]int, ok int, e syscall.Errno) {
	total := 0
	for _, n := range got {
		total += n
	}
	if got[0] != ok || got[0]+got[e] != total {
		named := map[string]int{}
		for e, n := range got {
			named[errnoName(e)] = n
		}
		d.fail("of %d requests at the same time %v, want %d to succeed and the others to fail with %s", total, named, ok, errnoName(e))
	}
}

var parallelCases = []Case{
	{"parallel/writes-at-one-offset", nil, func(d *drive) {
		z := d.zone(0)
		first, p := d.content.fresh(d.block)
		d.answers(d.tally(8, func(int) syscall.Errno { return d.Write(z.start(), p) }), 1, refused)
		d.content.written(z.start(), d.block, first)
		z.is(zoned.ImplicitOpen, d.block)
	}},
	{"parallel/opens-up-to-the-limit", []Need{moreActive}, func(d *drive) {
		d.answers(d.tally(d.maxOpen()+3,
			func(k int) syscall.Errno { return d.Manage(zoned.OpOpen, d.zone(k).start()) }),
			d.maxOpen(), noOpenSlot)
	}},
	{"parallel/writes-up-to-the-active-limit", []Need{activeLimit}, func(d *drive) {
		n := d.maxActive() + 3
		d.answers(d.tally(n, func(k int) syscall.Errno { return d.writeFresh(d.zone(k).start(), d.block) }),
			d.maxActive(), noActiveSlot)
	}},
	{"parallel/zones-with-eviction", nil, func(d *drive) {
		n := d.sequential()
		if d.lim.MaxActive > 0 {
			n = d.maxActive()
		}
		const rounds = 12
		d.answers(d.tally(n, func(k int) (e syscall.Errno) {
			for at := 0; at < rounds && e == 0; at++ {
				e = d.writeFresh(d.zone(k).start()+d.blocks(at), d.block)
			}
			return e
		}), n, refused)
		for _, z := range d.zones(n) {
			if got := d.info(z.i); got.WP-got.Start != d.blocks(rounds) {
				d.fail("zone %d has its write pointer at %d, want %d", z.i, got.WP-got.Start, d.blocks(rounds))
			}
		}
	}},
	{"parallel/open-and-close-leak-no-slot", []Need{openLimit}, func(d *drive) {
		n := d.maxOpen()
		d.answers(d.tally(4*n, func(k int) (e syscall.Errno) {
			for op := zoned.OpOpen; op <= zoned.OpClose && e == 0; op++ {
				e = d.Manage(op, d.zone(k%n).start())
			}
			return e
		}), 4*n, refused)
		d.are(zoned.Empty, d.zones(n)...)
	}},
	{"parallel/resets-and-finishes", nil, func(d *drive) {
		z := d.zone(0)
		d.answers(d.tally(8, func(k int) syscall.Errno {
			return d.Manage([]zoned.Operation{zoned.OpReset, zoned.OpFinish}[k%2], z.start())
		}), 8, refused)
		d.does(z.reset(), z.write(0, d.block))
	}},
	// Who comes first is open, but everybody gets an answer, and the zone works
	// on.
	{"parallel/everything-in-one-zone", nil, func(d *drive) {
		z := d.zone(0)
		manage := []zoned.Operation{zoned.OpOpen, zoned.OpClose, zoned.OpFinish, zoned.OpReset}
		got := d.tally(24, func(k int) syscall.Errno {
			for at := range 8 {
				d.Write(z.start()+d.blocks(at), make([]byte, d.block))
				d.Read(z.start(), make([]byte, d.blocks(4)))
				if e := d.Manage(manage[(at+k)%len(manage)], z.start()); e != 0 && e != refused {
					return e
				}
			}
			return 0
		})
		d.answers(got, 24, refused)
		d.does(z.reset(), z.write(0, d.blocks(2)))
		z.contains(0, d.blocks(2))
	}},
	{"parallel/resets-of-all", nil, func(d *drive) {
		for _, z := range d.zones(3) {
			d.does(z.write(0, d.block))
		}
		d.answers(d.tally(4, func(int) syscall.Errno { return d.ResetAll() }), 4, refused)
		d.does(d.resetAll())
		d.are(zoned.Empty, d.zones(d.sequential())...)
	}},
	{"parallel/appends-are-disjoint", []Need{appends}, func(d *drive) {
		const n = 64
		z := d.zone(0)
		d.answers(d.tally(n, func(k int) syscall.Errno { return z.appendTo(d.blocks(1 + k%3)) }), n, refused)
		z.holds(d.blocks(n + 21 + 2*21)) // one more 21 times, two more 21 times
		z.is(zoned.ImplicitOpen, d.blocks(n+21+2*21))
	}},
	{"parallel/appends-fill-a-zone", []Need{appends}, func(d *drive) {
		const room = 16
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.blocks(room))
		d.answers(d.tally(2*room, func(int) syscall.Errno { return z.appendTo(d.block) }), room, refused)
		z.holds(z.capacity())
		z.is(zoned.Full, 0)
	}},
}

// appendTo is an append of n bytes for the tally.
func (z zone) appendTo(n uint64) syscall.Errno {
	_, e := z.d.appendFresh(z.start(), n)
	return e
}

// holds: the zone is written up to byte end, without a gap. With appends whose
// sizes add up to that, none lies on another.
func (z zone) holds(end uint64) {
	if runs := z.d.content.runs(z.i); len(runs) != 1 || runs[0] != (run{0, end}) {
		z.d.fail("the answers of the appends to zone %d cover %v, want one piece of %d bytes", z.i, runs, end)
	}
}
