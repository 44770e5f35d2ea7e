// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

// A write whose I/O fails opens its zone and leaves no data.
var faultCases = []Case{
	{"fault/first-write", []Need{faults}, func(d *drive) {
		z := d.zone(0)
		d.fails(z.write(0, d.blocks(4)))
		z.is(zoned.ImplicitOpen, 0)
		z.contains(0, d.blocks(8))
		d.does(z.write(0, d.blocks(2)))
		z.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"fault/write-pointer-stays", []Need{faults}, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)))
		for range 3 {
			d.fails(z.write(d.blocks(2), d.blocks(4)))
			z.is(zoned.ImplicitOpen, d.blocks(2))
		}
		d.refuses(refused, z.write(d.blocks(6), d.block), z.write(0, d.block))
		d.does(z.write(d.blocks(2), d.block))
		z.contains(0, d.blocks(8))
	}},
	{"fault/nothing-of-it-in-the-tail", []Need{faults}, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)))
		d.fails(z.write(d.blocks(2), d.blocks(8)))
		d.does(z.finish())
		z.contains(0, z.capacity())
	}},
	{"fault/last-block-does-not-make-full", []Need{faults}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		d.fails(z.write(z.capacity()-d.block, d.block))
		z.is(zoned.ImplicitOpen, z.capacity()-d.block)
		d.does(z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Full, 0)
	}},
	{"fault/unwritten-zone-closes-to-empty", []Need{faults}, func(d *drive) {
		z := d.zone(0)
		d.fails(z.write(0, d.block))
		d.does(z.close())
		z.is(zoned.Empty, 0)
	}},
	{"fault/unwritten-zone-is-closed-for-another", []Need{faults, moreActive}, func(d *drive) {
		open, next := d.split(d.maxOpen())
		d.fails(open[0].write(0, d.block))
		d.writeEach(open[1:]...)
		d.does(next.write(0, d.block))
		open[0].is(zoned.Empty, 0)
	}},
	{"fault/append", []Need{faults, appends}, func(d *drive) {
		z := d.zone(0)
		d.does(z.append(d.block))
		d.fails(z.append(d.blocks(3)))
		z.is(zoned.ImplicitOpen, d.block)
		d.does(z.append(d.block))
		z.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"fault/takes-its-slots", []Need{faults, activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.closeEach(active[1:]...)
		d.fails(active[0].write(0, d.block))
		d.refuses(noActiveSlot, next.open())
		d.does(active[0].reset(), next.open())
	}},
	{"fault/conventional", []Need{faults, conventionalZones}, func(d *drive) {
		z := d.conventional()
		d.fails(z.write(0, d.blocks(2)))
		d.does(z.write(0, d.blocks(2)))
	}},
}
