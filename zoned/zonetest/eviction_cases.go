// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

// When all open slots are taken and one is needed, the zone that was opened
// implicitly and written longest ago is closed.
var evictionCases = []Case{
	{"limits/implicit-close-before-refusal", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.are(zoned.ImplicitOpen, open...)
		d.does(next.write(0, d.block))
		next.is(zoned.ImplicitOpen, d.block)
	}},
	{"limits/implicit-close-for-an-explicit-open", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(next.open())
		next.is(zoned.ExplicitOpen, 0)
	}},
	{"limits/implicit-close-for-a-closed-zone", []Need{moreActive, noActiveLimit}, func(d *drive) {
		open, closed := d.split(d.maxOpen())
		d.closeEach(closed)
		d.writeEach(open...)
		d.does(closed.write(d.block, d.block))
		closed.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"limits/least-recently-written-is-closed", []Need{moreActive, severalOpen}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(open[0].write(d.block, d.block)) // now open[1] is the oldest
		d.does(next.write(0, d.block))
		d.are(zoned.Closed, open[1])
		open[0].is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"limits/first-written-is-closed-first", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(next.write(0, d.block))
		d.are(zoned.Closed, open[0])
	}},
	{"limits/order-of-the-zones-does-not-matter", []Need{moreActive, severalOpen}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		for k := len(open) - 1; k >= 0; k-- {
			d.writeEach(open[k])
		}
		d.does(next.write(0, d.block))
		d.are(zoned.Closed, open[len(open)-1])
		d.are(zoned.ImplicitOpen, open[0])
	}},
	{"limits/reading-is-not-writing", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(open[0].read(0, d.block), next.write(0, d.block))
		d.are(zoned.Closed, open[0])
	}},
	{"limits/round-and-round", []Need{moreActive}, func(d *drive) {
		zones := d.zones(d.maxOpen() + 1)
		for round := range 3 {
			for _, z := range zones {
				d.does(z.write(d.blocks(round), d.block))
				z.is(zoned.ImplicitOpen, d.blocks(round+1))
			}
		}
		d.are(zoned.Closed, zones[0])
		d.are(zoned.ImplicitOpen, zones[1:]...)
	}},
	{"limits/explicit-is-never-closed", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open...)
		d.writeEach(open...)
		d.refuses(noOpenSlot, next.write(0, d.block), next.open())
		d.are(zoned.ExplicitOpen, open...)
	}},
	{"limits/explicit-is-never-closed-though-older", []Need{moreActive, severalOpen}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.openEach(open[:len(open)-1]...)
		d.writeEach(open...) // the last one implicitly
		d.does(next.write(0, d.block))
		d.are(zoned.Closed, open[len(open)-1])
		d.are(zoned.ExplicitOpen, open[:len(open)-1]...)
	}},
	{"limits/opened-later-is-never-closed", []Need{moreActive, severalOpen}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(open[0].open(), next.write(0, d.block))
		d.are(zoned.ExplicitOpen, open[0])
		d.are(zoned.Closed, open[1])
	}},
	{"limits/refused-closes-nobody", []Need{moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		full := d.zone(d.maxOpen() + 1)
		d.does(full.finish())
		d.writeEach(open...)
		d.refuses(refused, next.write(d.block, d.block), next.write(next.capacity()-d.block, d.block),
			full.write(0, d.block), full.open())
		d.are(zoned.ImplicitOpen, open...)
	}},
	{"limits/misplaced-in-a-closed-zone-closes-nobody", []Need{moreActive}, func(d *drive) {
		open, closed := d.split(d.maxOpen())
		d.closeEach(closed)
		d.writeEach(open...)
		d.refuses(refused, closed.write(0, d.block), closed.write(d.blocks(2), d.block))
		d.are(zoned.ImplicitOpen, open...)
	}},
	{"limits/too-long-closes-nobody", []Need{moreActive, unusableTail}, func(d *drive) {
		open, closed := d.split(d.maxOpen())
		closed.fillUpTo(0, closed.capacity()-d.block)
		d.does(closed.close())
		d.writeEach(open...)
		d.refuses(refused, closed.write(closed.capacity()-d.block, d.blocks(2)))
		d.are(zoned.ImplicitOpen, open...)
	}},
	{"limits/no-active-slot-closes-nobody", []Need{moreActive, activeLimit}, func(d *drive) {
		_, open := d.atBothLimits()
		next := d.zone(d.maxActive())
		d.refuses(noActiveSlot, next.write(0, d.block), next.open())
		d.are(zoned.ImplicitOpen, open...)
	}},
	{"limits/reset-and-close-leave-the-order", []Need{moreActive, severalOpen}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.writeEach(open...)
		d.does(open[0].reset())
		d.writeEach(open[0], next) // open[1] is the oldest now
		d.are(zoned.Closed, open[1])
		d.are(zoned.ImplicitOpen, open[0], next)
	}},
}
