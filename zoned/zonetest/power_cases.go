package zonetest

import "zqublkd/zoned"

var powerCases = []Case{
	{"power/conditions", []Need{powerCycles}, func(d *drive) {
		z := d.zones(3)
		z[0].inCondition(zoned.Closed)
		z[1].inCondition(zoned.Full)
		z[2].inCondition(zoned.ExplicitOpen)
		d.powerCycle()
		z[0].is(zoned.Closed, d.blocks(2))
		z[1].is(zoned.Full, 0)
		z[2].is(zoned.Closed, d.blocks(2))
		for _, z := range d.zones(4) {
			z.contains(0, d.blocks(8))
		}
	}},
	{"power/opened-but-unwritten-is-empty", []Need{powerCycles}, func(d *drive) {
		d.does(d.zone(0).open())
		d.powerCycle()
		d.zone(0).is(zoned.Empty, 0)
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
		for k := range 2 {
			d.does(z.write(d.blocks(k), d.block))
			d.powerCycle()
			z.is(zoned.Closed, d.blocks(k+1))
			d.refuses(refused, z.write(d.blocks(k), d.block), z.write(d.blocks(k+2), d.block))
		}
		z.contains(0, d.blocks(8))
	}},
	{"power/full-of-data", []Need{powerCycles}, func(d *drive) {
		z := d.lastZone()
		z.fillUpTo(0, z.capacity())
		d.powerCycle()
		z.is(zoned.Full, 0)
		z.contains(0, z.size())
		d.refuses(refused, z.write(0, d.block))
	}},
	{"power/finished-tail-is-zero", []Need{powerCycles}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.does(z.reset(), z.write(0, d.blocks(2)), z.finish())
		d.powerCycle()
		z.is(zoned.Full, 0)
		z.contains(0, z.size())
	}},
	{"power/reset-zone-reads-zeros", []Need{powerCycles}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.does(z.reset())
		d.powerCycle()
		z.contains(0, z.size())
		d.does(z.write(0, d.block), z.finish())
		d.powerCycle()
		z.contains(0, z.capacity())
	}},
	{"power/conventional-data", []Need{powerCycles, conventionalZones}, func(d *drive) {
		z := d.conventional()
		d.does(z.write(d.blocks(5), d.blocks(2)), z.write(z.size()-d.block, d.block))
		d.powerCycle()
		z.contains(d.blocks(5), d.blocks(2))
		z.contains(z.size()-d.block, d.block)
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
