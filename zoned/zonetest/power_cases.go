// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

var powerCases = []Case{
	{"power/conditions", []Need{powerCycles}, func(d *drive) {
		z := d.zones(5)
		z[0].inCondition(zoned.Closed)
		z[1].inCondition(zoned.Full)
		z[2].inCondition(zoned.ImplicitOpen)
		d.does(z[3].open())
		d.powerCycle()
		d.are(zoned.Closed, z[0], z[2])
		d.are(zoned.Full, z[1])
		d.are(zoned.Empty, z[3], z[4]) // opened, but not written
		z[2].is(zoned.Closed, d.blocks(2))
	}},
	{"power/no-zone-stays-open", []Need{powerCycles, openLimit}, func(d *drive) {
		open, _ := d.split(d.maxOpen())
		d.openEach(open...)
		d.writeEach(open...)
		d.powerCycle()
		d.are(zoned.Closed, open...)
		for _, z := range open {
			d.does(z.open(), z.write(d.block, d.block))
		}
	}},
	{"power/closed-zones-are-active", []Need{powerCycles, activeLimit}, func(d *drive) {
		active, next := d.split(d.maxActive())
		d.writeEach(active...)
		d.powerCycle()
		d.refuses(noActiveSlot, next.open(), next.write(0, d.block))
		d.does(active[0].finish(), next.write(0, d.block))
	}},
	{"power/write-goes-on", []Need{powerCycles}, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)))
		d.powerCycle()
		d.refuses(refused, z.write(d.block, d.block), z.write(d.blocks(3), d.block))
		d.does(z.write(d.blocks(2), d.block))
		z.is(zoned.ImplicitOpen, d.blocks(3))
	}},
	{"power/data", []Need{powerCycles}, func(d *drive) {
		z, full := d.zones(3), d.lastZone()
		full.fillUpTo(0, full.capacity())
		for _, z := range z[:2] { // data that must not come back
			z.fillUpTo(0, z.capacity())
			d.does(z.reset())
		}
		d.does(z[0].write(0, d.blocks(2)), z[0].finish(), z[2].write(0, d.blocks(5)))
		for i := range d.geo.Conventional {
			d.does(zone{d, i}.write(d.blocks(5), d.blocks(2)))
		}
		d.powerCycle()
		for _, z := range []zone{z[0], z[1], z[2], full} {
			z.contains(0, z.size())
		}
		d.does(z[1].write(0, d.block), z[1].finish())
		z[1].contains(0, z[1].size())
	}},
}

// What the cells do not say of zones that are read-only or offline.
var degradedCases = []Case{
	{"degraded/frees-its-slots", []Need{degrading}, func(d *drive) {
		d.zone(0).inCondition(zoned.ReadOnly)
		d.zone(1).inCondition(zoned.Offline)
		d.are(zoned.ReadOnly, d.zone(0))
	}},
	{"degraded/read-only-data", []Need{degrading}, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.ReadOnly)
		z.contains(0, d.blocks(2))
	}},
	{"degraded/empty-zones", []Need{degrading}, func(d *drive) {
		z := d.zones(2)
		z[0].degrade(zoned.ReadOnly)
		z[1].degrade(zoned.Offline)
		d.does(z[0].read(0, d.blocks(2)))
		d.refuses(refused, z[0].write(0, d.block), z[1].write(0, d.block), z[1].read(0, d.block))
	}},
	{"degraded/neighbours-go-on", []Need{degrading}, func(d *drive) {
		d.zone(1).degrade(zoned.Offline)
		for _, z := range []zone{d.zone(0), d.zone(2)} {
			d.does(z.write(0, d.blocks(2)), z.read(0, d.blocks(2)), z.close(), z.finish(), z.reset())
		}
	}},
	{"degraded/reset-all-leaves-the-data", []Need{degrading}, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.ReadOnly)
		d.does(d.zone(1).write(0, d.block), d.resetAll())
		z.is(zoned.ReadOnly, 0)
		z.contains(0, d.blocks(2))
		d.zone(1).is(zoned.Empty, 0)
	}},
	{"degraded/stays-so", []Need{degrading, powerCycles}, func(d *drive) {
		d.zone(0).inCondition(zoned.ReadOnly)
		d.zone(1).degrade(zoned.Offline)
		d.powerCycle()
		d.are(zoned.ReadOnly, d.zone(0))
		d.are(zoned.Offline, d.zone(1))
		d.zone(0).contains(0, d.blocks(2))
	}},
	{"degraded/becomes-empty-again", []Need{degrading}, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.ReadOnly)
		d.heal(z.i)
		z.is(zoned.Empty, 0)
		d.does(z.write(0, d.block))
	}},
}
