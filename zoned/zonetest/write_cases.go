// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

var writeCases = []Case{
	{"write/at-the-write-pointer", nil, func(d *drive) {
		z, wp := d.zone(0), uint64(0)
		for _, n := range []int{1, 1, 2, 7, 16} {
			d.does(z.write(wp, d.blocks(n)))
			wp += d.blocks(n)
			z.is(zoned.ImplicitOpen, wp)
		}
		z.contains(0, wp)
	}},
	{"write/below-the-write-pointer", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(4)))
		for at := range 4 {
			d.refuses(refused, z.write(d.blocks(at), d.block))
		}
		d.refuses(refused, z.write(d.blocks(3), d.blocks(2)), z.write(0, d.blocks(4)))
		z.is(zoned.ImplicitOpen, d.blocks(4))
	}},
	{"write/above-the-write-pointer", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(4)))
		d.refuses(refused, z.write(d.blocks(5), d.block), z.write(d.blocks(9), d.blocks(2)),
			z.write(z.capacity()-d.block, d.block))
		z.is(zoned.ImplicitOpen, d.blocks(4))
	}},
	{"write/above-the-start-of-an-empty-zone", nil, func(d *drive) {
		z := d.zone(0)
		d.refuses(refused, z.write(d.block, d.block), z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Empty, 0)
	}},
	{"write/misplaced-in-a-closed-zone", nil, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.Closed)
		d.refuses(refused, z.write(0, d.block), z.write(d.block, d.block), z.write(d.blocks(3), d.block))
	}},
	{"write/misplaced-in-an-explicitly-open-zone", nil, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.ExplicitOpen)
		d.refuses(refused, z.write(0, d.block), z.write(d.block, d.block), z.write(d.blocks(3), d.block))
	}},
	{"write/goes-on-after-a-refused-one", nil, func(d *drive) {
		z := d.zone(0)
		for k := range 3 {
			d.does(z.write(d.blocks(k), d.block))
			d.refuses(refused, z.write(d.blocks(k+3), d.block), z.write(0, d.block))
		}
		d.does(z.write(d.blocks(3), d.block))
		z.is(zoned.ImplicitOpen, d.blocks(4))
	}},
	{"write/refused-leaves-no-data", nil, func(d *drive) {
		z := d.zone(0)
		d.refuses(refused, z.write(d.block, d.blocks(3)))
		d.does(z.write(0, d.block))
		d.refuses(refused, z.write(d.blocks(2), d.blocks(3)), z.write(0, d.block))
		d.does(z.finish())
		z.contains(0, d.blocks(16)) // zeros where it wanted to go
	}},
	{"write/of-a-finished-zone", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)), z.finish())
		d.refuses(refused, z.write(0, d.block), z.write(d.blocks(2), d.block), z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Full, 0)
	}},
	{"write/of-an-empty-zone-that-was-finished", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.finish())
		d.refuses(refused, z.write(0, d.block))
	}},
	{"write/keeps-an-explicitly-open-zone-so", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.open(), z.write(0, d.block), z.write(d.block, d.blocks(3)))
		z.is(zoned.ExplicitOpen, d.blocks(4))
	}},
	{"write/opens-a-closed-zone-implicitly", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.open(), z.write(0, d.block), z.close(), z.write(d.block, d.block))
		z.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"write/of-the-largest-request", nil, func(d *drive) {
		z, n := d.zone(0), min(d.MaxIO(), d.geo.ZoneCapacity)
		d.does(z.write(0, n))
		z.contains(0, n)
	}},
	{"write/of-the-last-zone", nil, func(d *drive) {
		z := d.lastZone()
		d.does(z.write(0, d.blocks(2)))
		d.refuses(refused, z.write(0, d.block), z.write(d.blocks(3), d.block))
		z.is(zoned.ImplicitOpen, d.blocks(2))
	}},
	{"write/conventional-anywhere", []Need{conventionalZones}, func(d *drive) {
		z := d.conventional()
		for _, at := range []uint64{d.blocks(8), 0, d.blocks(8), z.size() - d.block, d.blocks(3), z.size() / 2} {
			d.does(z.write(at, d.block))
		}
		d.does(z.write(d.blocks(2), d.blocks(8)))
		z.is(zoned.NotWP, 0)
		z.contains(0, d.blocks(16))
	}},
	{"write/conventional-zones-differ", []Need{conventionalZones}, func(d *drive) {
		for i := range d.geo.Conventional {
			d.does(zone{d, i}.write(0, d.blocks(2)), zone{d, i}.write(0, d.block))
		}
	}},
}

var capacityCases = []Case{
	{"capacity/last-block-makes-full", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		z.is(zoned.ImplicitOpen, z.capacity()-d.block)
		d.does(z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Full, 0)
		z.contains(0, z.capacity())
	}},
	{"capacity/a-block-too-long", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.blocks(2))
		d.refuses(refused, z.write(z.capacity()-d.blocks(2), d.blocks(3)))
		z.is(zoned.ImplicitOpen, z.capacity()-d.blocks(2)) // not even what would fit
		d.does(z.write(z.capacity()-d.blocks(2), d.blocks(2)))
		z.is(zoned.Full, 0)
	}},
	{"capacity/much-too-long", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		d.refuses(refused, z.write(z.capacity()-d.block, min(d.MaxIO(), z.size()-z.capacity()+d.block)))
		z.is(zoned.ImplicitOpen, z.capacity()-d.block)
	}},
	{"capacity/too-long-in-an-explicitly-open-zone", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		d.does(z.open())
		z.fillUpTo(0, z.capacity()-d.block)
		d.refuses(refused, z.write(z.capacity()-d.block, d.blocks(2)))
		d.does(z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Full, 0)
	}},
	{"capacity/full-zone-takes-nothing", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.refuses(refused, z.write(0, d.block), z.write(z.capacity()-d.block, d.block))
		z.contains(0, z.capacity())
	}},
	{"capacity/nothing-behind-it-in-an-empty-zone", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		d.refuses(refused, z.write(z.capacity(), d.block), z.write(z.size()-d.block, d.block))
		z.is(zoned.Empty, 0)
	}},
	{"capacity/nothing-behind-it-in-an-open-zone", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.block))
		d.refuses(refused, z.write(z.capacity(), d.block), z.write(z.size()-d.block, d.block))
	}},
	{"capacity/nothing-behind-it-in-a-full-zone", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity())
		d.refuses(refused, z.write(z.capacity(), d.block), z.write(z.size()-d.block, d.block))
		z.is(zoned.Full, 0)
	}},
	{"capacity/in-one-write", []Need{oneWriteFills}, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, z.capacity()))
		z.is(zoned.Full, 0)
	}},
	{"capacity/of-a-closed-zone", nil, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.capacity()-d.block)
		d.does(z.close(), z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Full, 0)
	}},
	{"capacity/of-the-last-zone", nil, func(d *drive) {
		z := d.lastZone()
		z.fillUpTo(0, z.capacity()-d.block)
		d.does(z.write(z.capacity()-d.block, d.block))
		z.is(zoned.Full, 0)
		z.contains(0, z.capacity())
	}},
	{"capacity/of-neighbours", nil, func(d *drive) {
		for _, z := range d.zones(3) {
			z.fillUpTo(0, z.capacity())
		}
		d.are(zoned.Full, d.zones(3)...)
	}},
	{"capacity/conventional-is-the-size", []Need{conventionalZones}, func(d *drive) {
		z := d.conventional()
		d.does(z.write(z.size()-d.block, d.block), z.write(z.size()-d.blocks(4), d.blocks(4)))
	}},
}

// What does not lie in one zone, or not where a zone starts.
var boundaryCases = []Case{
	{"boundary/write-across", []Need{noUnusableTail}, func(d *drive) {
		z := d.zone(0)
		z.fillUpTo(0, z.size()-d.block)
		d.refuses(refused, z.write(z.size()-d.block, d.blocks(2)))
		z.is(zoned.ImplicitOpen, z.size()-d.block)
		d.zone(1).is(zoned.Empty, 0)
	}},
	{"boundary/write-across-behind-the-capacity", []Need{unusableTail}, func(d *drive) {
		d.refuses(refused, d.zone(0).write(d.zone(0).size()-d.block, d.blocks(2)))
		d.are(zoned.Empty, d.zones(2)...)
	}},
	{"boundary/write-across-conventional", []Need{conventionalZones}, func(d *drive) {
		z := zone{d, d.geo.Conventional - 1}
		d.refuses(refused, z.write(z.size()-d.block, d.blocks(2)))
		d.zone(0).is(zoned.Empty, 0)
	}},
	{"boundary/read-across", nil, func(d *drive) {
		d.refuses(refused, d.zone(0).read(d.zone(0).size()-d.block, d.blocks(2)))
	}},
	{"boundary/read-up-to", nil, func(d *drive) {
		d.does(d.zone(0).read(d.zone(0).size()-d.blocks(2), d.blocks(2)), d.zone(1).read(0, d.blocks(2)))
	}},
	{"boundary/write-outside-the-disk", nil, func(d *drive) {
		z := d.lastZone()
		d.refuses(refused, z.write(z.size(), d.block))
		d.refuses(refused, z.write(z.size()+d.geo.ZoneSize, d.block))
	}},
	{"boundary/read-outside-the-disk", nil, func(d *drive) {
		d.refuses(refused, d.lastZone().read(d.lastZone().size(), d.block))
	}},
	{"boundary/open-outside-the-disk", nil, outside(zone.open)},
	{"boundary/close-outside-the-disk", nil, outside(zone.close)},
	{"boundary/finish-outside-the-disk", nil, outside(zone.finish)},
	{"boundary/reset-outside-the-disk", nil, outside(zone.reset)},
	{"boundary/open-beside-the-start", nil, besideStart(zone.open)},
	{"boundary/close-beside-the-start", nil, besideStart(zone.close)},
	{"boundary/finish-beside-the-start", nil, besideStart(zone.finish)},
	{"boundary/reset-beside-the-start", nil, besideStart(zone.reset)},
}

func outside(manage func(zone) act) func(d *drive) {
	return func(d *drive) {
		a := manage(d.lastZone())
		a.off = d.lastZone().size()
		d.refuses(refused, a)
	}
}

func besideStart(manage func(zone) act) func(d *drive) {
	return func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(2)))
		a := manage(z)
		for _, a.off = range []uint64{d.block, z.size() - d.block} {
			d.refuses(refused, a)
		}
	}
}
