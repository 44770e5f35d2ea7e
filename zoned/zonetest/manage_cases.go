// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

var openCases = []Case{
	{"open/empty", nil, func(d *drive) {
		d.does(d.zone(0).open())
		d.zone(0).is(zoned.ExplicitOpen, 0)
	}},
	{"open/twice", nil, func(d *drive) {
		d.does(d.zone(0).open(), d.zone(0).open())
		d.zone(0).is(zoned.ExplicitOpen, 0)
	}},
	{"open/implicitly-open", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.block), z.open(), z.write(d.block, d.block))
		z.is(zoned.ExplicitOpen, d.blocks(2))
	}},
	{"open/closed", nil, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.Closed)
		d.does(z.open())
		z.is(zoned.ExplicitOpen, d.blocks(2))
		d.does(z.write(d.blocks(2), d.block))
	}},
	{"open/last-zone", nil, func(d *drive) {
		d.does(d.lastZone().open())
		d.lastZone().is(zoned.ExplicitOpen, 0)
	}},
	{"open/full", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.refuses(refused, z.open())
		z.is(zoned.Full, 0)
	}},
	{"open/changes-no-data", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(3)), z.open())
		z.contains(0, d.blocks(3))
	}},
}

var closeCases = []Case{
	{"close/implicitly-open", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.block), z.close())
		z.is(zoned.Closed, d.block)
	}},
	{"close/explicitly-open", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.open(), z.write(0, d.block), z.close())
		z.is(zoned.Closed, d.block)
	}},
	{"close/unwritten-becomes-empty", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.open(), z.close())
		z.is(zoned.Empty, 0)
		d.does(z.open(), z.close(), z.write(0, d.block))
		z.is(zoned.ImplicitOpen, d.block)
	}},
	{"close/twice", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.block), z.close(), z.close())
		z.is(zoned.Closed, d.block)
	}},
	{"close/empty", nil, func(d *drive) {
		d.does(d.zone(0).close())
		d.zone(0).is(zoned.Empty, 0)
	}},
	{"close/full", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.finish(), z.close())
		z.is(zoned.Full, 0)
	}},
	{"close/keeps-the-write-pointer", nil, func(d *drive) {
		z := d.zone(0)
		for k := range 3 {
			d.does(z.write(d.blocks(k), d.block), z.close())
			z.is(zoned.Closed, d.blocks(k+1))
		}
	}},
}

var finishCases = []Case{
	{"finish/tail-is-zero", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(3)), z.finish())
		z.is(zoned.Full, 0)
		z.contains(0, z.size())
	}},
	{"finish/empty-is-zero", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.finish())
		z.is(zoned.Full, 0)
		z.contains(0, z.size())
	}},
	{"finish/no-old-data-in-the-tail", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.does(z.reset(), z.write(0, d.block), z.finish())
		z.contains(0, z.capacity())
	}},
	{"finish/last-block-open", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		d.does(z.finish())
		z.is(zoned.Full, 0)
		z.contains(0, z.capacity())
	}},
	{"finish/closed", nil, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.Closed)
		d.does(z.finish())
		z.is(zoned.Full, 0)
	}},
	{"finish/opened-but-unwritten", nil, func(d *drive) {
		d.does(d.zone(0).open(), d.zone(0).finish())
		d.zone(0).is(zoned.Full, 0)
	}},
	{"finish/twice", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)), z.finish(), z.finish())
		z.is(zoned.Full, 0)
	}},
	{"finish/then-reset-and-write", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)), z.finish(), z.reset())
		z.is(zoned.Empty, 0)
		d.does(z.write(0, d.block))
		z.is(zoned.ImplicitOpen, d.block)
	}},
	{"finish/neighbours-keep-their-data", nil, func(d *drive) { neighboursKept(d, zone.finish) }},
}

var resetCases = []Case{
	{"reset/empties", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(3)), z.reset())
		z.is(zoned.Empty, 0)
	}},
	{"reset/reads-zeros", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.does(z.reset())
		z.contains(0, z.size())
	}},
	{"reset/data-is-gone-for-good", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.does(z.reset(), z.finish())
		z.contains(0, z.capacity())
	}},
	{"reset/then-write", nil, func(d *drive) {
		z := d.zone(0)
		for k := range 3 {
			d.does(z.write(0, d.blocks(k+1)))
			z.is(zoned.ImplicitOpen, d.blocks(k+1))
			d.does(z.reset())
		}
	}},
	{"reset/full", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.does(z.reset(), z.write(0, d.block))
		z.is(zoned.ImplicitOpen, d.block)
	}},
	{"reset/opened-but-unwritten", nil, func(d *drive) {
		d.does(d.zone(0).open(), d.zone(0).reset())
		d.zone(0).is(zoned.Empty, 0)
	}},
	{"reset/twice", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.block), z.reset(), z.reset())
		z.is(zoned.Empty, 0)
	}},
	{"reset/last-zone", nil, func(d *drive) {
		z := d.lastZone()
		d.does(z.write(0, d.blocks(2)), z.reset())
		z.is(zoned.Empty, 0)
	}},
	{"reset/neighbours-keep-their-data", nil, func(d *drive) { neighboursKept(d, zone.reset) }},
}

// neighboursKept: what manage does to a zone concerns none of the bytes on
// either side. The audit reads them.
func neighboursKept(d *drive, manage func(zone) act) {
	z := d.zones(3)
	z[0].fillUpTo(0, z[0].capacity())
	d.does(z[1].write(0, d.blocks(5)), z[2].write(0, d.blocks(5)), manage(z[1]))
	z[0].is(zoned.Full, 0)
	z[2].is(zoned.ImplicitOpen, d.blocks(5))
	z[0].contains(0, z[0].capacity())
	z[2].contains(0, d.blocks(5))
}

var resetAllCases = []Case{
	{"reset-all/every-condition", nil, func(d *drive) {
		z := d.zones(3)
		for k, c := range []zoned.Condition{zoned.Closed, zoned.Full, zoned.ImplicitOpen} {
			z[k].inCondition(c)
		}
		d.does(d.lastZone().finish(), d.resetAll())
		d.are(zoned.Empty, d.zones(d.sequential())...)
	}},
	{"reset-all/explicitly-open", nil, func(d *drive) {
		d.does(d.zone(0).open(), d.resetAll())
		d.are(zoned.Empty, d.zones(d.sequential())...)
	}},
	{"reset-all/of-empty-zones", nil, func(d *drive) {
		d.does(d.resetAll(), d.resetAll())
		d.are(zoned.Empty, d.zones(d.sequential())...)
	}},
	{"reset-all/leaves-conventional", []Need{conventionalZones}, func(d *drive) {
		for i := range d.geo.Conventional {
			d.does(zone{d, i}.write(d.blocks(3), d.blocks(4)))
		}
		d.does(d.zone(0).write(0, d.block), d.resetAll())
		for i := range d.geo.Conventional {
			zone{d, i}.is(zoned.NotWP, 0)
			zone{d, i}.contains(d.blocks(3), d.blocks(4))
		}
	}},
	{"reset-all/data-is-gone-for-good", nil, func(d *drive) {
		for _, z := range d.zones(3) {
			d.does(z.write(0, d.blocks(16)))
		}
		d.does(d.resetAll())
		for _, z := range d.zones(3) {
			d.does(z.finish())
			z.contains(0, d.blocks(32))
		}
	}},
	{"reset-all/then-write", nil, func(d *drive) {
		for range 3 {
			for _, z := range d.zones(3) {
				d.does(z.write(0, d.block))
				z.is(zoned.ImplicitOpen, d.block)
			}
			d.does(d.resetAll())
		}
	}},
}
