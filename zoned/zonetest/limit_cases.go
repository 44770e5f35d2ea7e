// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

// maxOpen and maxActive are the limits, where a case needs them.
func (d *drive) maxOpen() int   { return int(d.lim.MaxOpen) }
func (d *drive) maxActive() int { return int(d.lim.MaxActive) }

// writeEach writes a block at the start of each zone, in order.
func (d *drive) writeEach(zones ...zone) {
	for _, z := range zones {
		d.does(z.write(0, d.block))
	}
}

// openEach opens each zone explicitly.
func (d *drive) openEach(zones ...zone) {
	for _, z := range zones {
		d.does(z.open())
	}
}

// closeEach writes a block to each zone and closes it.
func (d *drive) closeEach(zones ...zone) {
	for _, z := range zones {
		d.does(z.write(0, d.block), z.close())
	}
}

// atBothLimits takes all open slots, implicitly, and all active ones.
func (d *drive) atBothLimits() (closed, open []zone) {
	active := d.zones(d.maxActive())
	closed, open = active[d.maxOpen():], active[:d.maxOpen()]
	d.closeEach(closed...)
	d.writeEach(open...)
	return closed, open
}

// split divides the first zones: n of them, and the next after these.
func (d *drive) split(n int) (zones []zone, next zone) { return d.zones(n), d.zone(n) }

var openLimitCases = []Case{
	{"limits/explicit-opens-up-to-the-limit", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open...)
		d.are(zoned.ExplicitOpen, open...)
		d.refuses(noOpenSlot, next.open(), next.write(0, d.block))
		next.is(zoned.Empty, 0)
	}},
	{"limits/open-zones-need-no-slot", []Need{openLimit}, func(d *drive) {
		open, _ := d.split(d.maxOpen())
		d.writeEach(open...)
		for _, z := range open {
			d.does(z.write(d.block, d.block))
		}
		d.are(zoned.ImplicitOpen, open...)
		d.openEach(open...)
		d.are(zoned.ExplicitOpen, open...)
		for _, z := range open {
			d.does(z.write(d.blocks(2), d.block), z.open())
		}
		d.are(zoned.ExplicitOpen, open...)
	}},
	{"limits/closed-zone-needs-an-open-slot", []Need{moreActive}, func(d *drive) {
		open, closed := d.split(d.maxOpen())
		d.closeEach(closed)
		d.openEach(open...)
		d.refuses(noOpenSlot, closed.open(), closed.write(d.block, d.block))
		closed.is(zoned.Closed, d.block)
		d.does(open[0].close(), closed.write(d.block, d.block))
		closed.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"limits/misplaced-is-refused-for-that", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open...)
		d.refuses(refused, next.write(d.block, d.block))
	}},
	{"limits/closing-frees-an-open-slot", []Need{moreActive}, freesOpenSlot(zone.close)},
	{"limits/resetting-frees-an-open-slot", []Need{moreActive}, freesOpenSlot(zone.reset)},
	{"limits/finishing-frees-an-open-slot", []Need{moreActive}, freesOpenSlot(zone.finish)},
	{"limits/filling-frees-an-open-slot", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open...)
		open[0].fillUpTo(0, open[0].capacity())
		d.does(next.open())
		d.refuses(noOpenSlot, d.zone(d.maxOpen()+1).open())
	}},
	{"limits/reset-all-frees-all", []Need{openLimit}, func(d *drive) {
		open, _ := d.split(d.maxOpen())
		for range 3 {
			d.openEach(open...)
			d.does(d.resetAll())
		}
	}},
	{"limits/finish-needs-no-open-slot", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		closed := d.zone(d.maxOpen() + 1)
		d.closeEach(closed)
		d.openEach(open...)
		d.does(next.finish(), closed.finish())
		d.are(zoned.Full, next, closed)
		d.are(zoned.ExplicitOpen, open...)
	}},
	{"limits/finish-closes-nobody", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(next.finish())
		d.are(zoned.ImplicitOpen, open...)
	}},
	{"limits/conventional-needs-no-open-slot", []Need{moreActive, conventionalZones}, func(d *drive) {
		open, _ := d.split(d.maxOpen())
		d.openEach(open...)
		d.does(d.conventional().write(0, d.blocks(2)), d.conventional().write(d.block, d.block))
	}},
	{"limits/full-in-one-write-keeps-no-slot", []Need{moreActive, oneWriteFills}, func(d *drive) {
		for _, z := range d.zones(d.maxOpen() + 2) {
			d.does(z.write(0, z.capacity()))
		}
	}},
}

// freesOpenSlot: with the last open slot taken, to do manage to one of those
// who have one makes room for exactly one.
func freesOpenSlot(manage func(zone) act) func(d *drive) {
	return func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open...)
		d.refuses(noOpenSlot, next.open())
		d.does(manage(open[0]), next.open())
		d.refuses(noOpenSlot, d.zone(d.maxOpen()+1).open())
	}
}

var activeLimitCases = []Case{
	{"limits/active-zones-up-to-the-limit", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.writeEach(active...)
		d.refuses(noActiveSlot, next.write(0, d.block), next.open())
		next.is(zoned.Empty, 0)
	}},
	{"limits/closed-zones-are-active", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.refuses(noActiveSlot, next.write(0, d.block), next.open())
		d.are(zoned.Closed, active...)
	}},
	{"limits/opened-but-unwritten-is-active", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active[1:]...)
		d.does(active[0].open())
		d.refuses(noActiveSlot, next.open())
		d.does(active[0].close(), next.open())
		d.are(zoned.Empty, active[0])
	}},
	{"limits/active-zones-go-on", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.refuses(noActiveSlot, next.open())
		for _, z := range active {
			d.does(z.write(d.block, d.block), z.close(), z.open(), z.write(d.blocks(2), d.block), z.close())
		}
	}},
	{"limits/active-comes-before-open", []Need{activeLimit, openLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active[d.maxOpen():]...)
		d.openEach(active[:d.maxOpen()]...)
		d.refuses(noActiveSlot, next.open(), next.write(0, d.block))
	}},
	{"limits/misplaced-comes-before-active", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.refuses(refused, next.write(d.block, d.block))
	}},
	{"limits/closed-zone-opens-at-the-active-limit", []Need{activeLimit, moreActive}, func(d *drive) {
		closed, _ := d.atBothLimits()
		d.does(closed[0].open())
		closed[0].is(zoned.ExplicitOpen, d.block)
	}},
	{"limits/closed-zone-is-written-at-the-active-limit", []Need{activeLimit, moreActive}, func(d *drive) {
		closed, _ := d.atBothLimits()
		d.does(closed[0].write(d.block, d.block))
		closed[0].is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"limits/finish-needs-no-active-slot", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.does(next.finish())
		next.is(zoned.Full, 0)
		d.are(zoned.Closed, active...)
	}},
	{"limits/resetting-frees-an-active-slot", []Need{activeLimit}, freesActiveSlot(zone.reset)},
	{"limits/finishing-frees-an-active-slot", []Need{activeLimit}, freesActiveSlot(zone.finish)},
	{"limits/filling-frees-an-active-slot", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		z := active[0]
		z.fillUpTo(0, z.capacity()-d.block)
		d.does(z.close())
		d.closeEach(active[1:]...)
		d.refuses(noActiveSlot, next.open())
		d.does(z.write(z.capacity()-d.block, d.block), next.open())
		d.refuses(noActiveSlot, d.zone(d.maxActive()+1).open())
	}},
	{"limits/closing-frees-no-active-slot", []Need{activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.writeEach(active...)
		for _, z := range active {
			d.does(z.close())
			d.refuses(noActiveSlot, next.open())
		}
	}},
	{"limits/conventional-needs-no-active-slot", []Need{activeLimit, conventionalZones}, func(d *drive) {
		active, _ := d.split(d.maxActive())
		d.closeEach(active...)
		d.does(d.conventional().write(0, d.blocks(2)))
	}},
	{"limits/full-in-one-write-needs-an-active-slot", []Need{activeLimit, oneWriteFills}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.refuses(noActiveSlot, next.write(0, next.capacity()))
	}},
}

// freesActiveSlot is freesOpenSlot for active ones, of a closed zone.
func freesActiveSlot(manage func(zone) act) func(d *drive) {
	return func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active...)
		d.refuses(noActiveSlot, next.open())
		d.does(manage(active[0]), next.open())
		d.refuses(noActiveSlot, d.zone(d.maxActive()+1).open())
	}
}

var noLimitCases = []Case{
	{"no-limits/all-open", []Need{noOpenLimit, noActiveLimit}, func(d *drive) {
		all := d.zones(d.sequential())
		d.openEach(all...)
		d.writeEach(all...)
		d.are(zoned.ExplicitOpen, all...)
	}},
	{"no-limits/all-implicitly-open", []Need{noOpenLimit, noActiveLimit}, func(d *drive) {
		all := d.zones(d.sequential())
		d.writeEach(all...)
		d.are(zoned.ImplicitOpen, all...)
	}},
	{"no-limits/all-closed", []Need{noActiveLimit}, func(d *drive) {
		all := d.zones(d.sequential())
		d.closeEach(all...)
		d.are(zoned.Closed, all...)
	}},
}
