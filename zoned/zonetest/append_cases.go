// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

// Every append that succeeds must say that it went to the write pointer.
var appendCases = []Case{
	{"append/at-the-write-pointer", []Need{appends}, func(d *drive) {
		z, wp := d.zone(0), uint64(0)
		for _, n := range []int{1, 2, 7, 16} {
			d.does(z.append(d.blocks(n)))
			wp += d.blocks(n)
			z.is(zoned.ImplicitOpen, wp)
		}
		z.contains(0, wp)
	}},
	{"append/between-writes", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)), z.append(d.block), z.write(d.blocks(3), d.blocks(2)), z.append(d.block))
		z.is(zoned.ImplicitOpen, d.blocks(6))
	}},
	{"append/closed", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		d.does(z.append(d.block), z.close(), z.append(d.block))
		z.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"append/keeps-an-explicitly-open-zone-so", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		d.does(z.open(), z.append(d.block))
		z.is(zoned.ExplicitOpen, d.block)
	}},
	{"append/last-block-makes-full", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		d.does(z.append(d.block))
		z.is(zoned.Full, 0)
		d.refuses(refused, z.append(d.block))
	}},
	{"append/that-does-not-fit", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		d.refuses(refused, z.append(d.blocks(2)), z.append(d.blocks(16)))
		z.is(zoned.ImplicitOpen, z.capacity()-d.block)
		d.does(z.append(d.block))
		z.is(zoned.Full, 0)
	}},
	{"append/finished", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		d.does(z.append(d.block), z.finish())
		d.refuses(refused, z.append(d.block))
	}},
	{"append/after-a-reset", []Need{appends}, func(d *drive) {
		z := d.zone(0)
		d.does(z.append(d.blocks(3)), z.reset(), z.append(d.block))
		z.is(zoned.ImplicitOpen, d.block)
	}},
	{"append/last-zone", []Need{appends}, func(d *drive) {
		d.does(d.lastZone().append(d.blocks(3)))
		d.lastZone().is(zoned.ImplicitOpen, d.blocks(3))
	}},
	{"append/beside-the-start", []Need{appends}, func(d *drive) {
		a := d.zone(0).append(d.block)
		for _, a.off = range []uint64{d.block, d.zone(0).size() - d.block} {
			d.refuses(refused, a)
		}
		d.does(d.zone(0).append(d.block))
		a.off = d.block // where the write pointer stands
		d.refuses(refused, a)
	}},
	{"append/outside-the-disk", []Need{appends}, func(d *drive) {
		a := d.lastZone().append(d.block)
		a.off = d.lastZone().size()
		d.refuses(refused, a)
	}},
	{"append/conventional", []Need{appends, conventionalZones}, func(d *drive) {
		d.refuses(refused, d.conventional().append(d.block))
	}},
	{"append/as-long-as-allowed", []Need{appends}, func(d *drive) {
		z, n := d.zone(0), min(d.largestAppend(), d.geo.ZoneCapacity)
		d.does(z.append(n))
		z.contains(0, n)
	}},
	{"append/longer-than-allowed", []Need{appends, appendLimit}, func(d *drive) {
		z := d.zone(0)
		d.refuses(refused, z.append(d.lim.MaxAppend+d.block))
		z.is(zoned.Empty, 0)
		d.does(z.write(0, d.block))
		d.refuses(refused, z.append(d.lim.MaxAppend+d.block))
	}},
	{"append/write-is-no-append", []Need{appends, appendLimit}, func(d *drive) {
		d.does(d.zone(0).write(0, d.lim.MaxAppend+d.block))
	}},
	{"append/at-the-open-limit", []Need{appends, moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open...)
		d.refuses(noOpenSlot, next.append(d.block))
		for _, z := range open {
			d.does(z.append(d.block))
		}
	}},
	{"append/at-the-active-limit", []Need{appends, activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.refuses(noActiveSlot, next.append(d.block))
		d.does(active[0].append(d.block))
	}},
	{"append/closes-the-least-recently-written", []Need{appends, moreActive, severalOpen}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		for _, z := range open {
			d.does(z.append(d.block))
		}
		d.does(open[0].append(d.block), next.append(d.block)) // an append counts as a write
		d.are(zoned.Closed, open[1])
		d.are(zoned.ImplicitOpen, open[0])
	}},
	{"append/refused-closes-nobody", []Need{appends, moreActive}, func(d *drive) {
		open, closed := d.split(d.maxOpen())
		closed.fillUpTo(0, closed.capacity()-d.block)
		d.does(closed.close())
		d.writeEach(open...)
		d.refuses(refused, closed.append(d.blocks(2)))
		d.are(zoned.ImplicitOpen, open...)
	}},
}
