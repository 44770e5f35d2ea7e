// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

// A read is held against what was written, zeros where nothing was.
var readCases = []Case{
	{"read/below-the-write-pointer", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(5)), z.write(d.blocks(5), d.blocks(3)))
		d.does(z.read(0, d.blocks(8)), z.read(d.blocks(4), d.blocks(2)), z.read(d.blocks(7), d.block))
		z.is(zoned.ImplicitOpen, d.blocks(8))
	}},
	{"read/above-the-write-pointer-is-zero", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(5)))
		d.does(z.read(d.blocks(5), d.block), z.read(d.blocks(8), d.blocks(8)),
			z.read(z.capacity()-d.blocks(4), d.blocks(4)))
	}},
	{"read/across-the-write-pointer", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(5)), z.read(d.blocks(4), d.blocks(4)), z.read(0, d.blocks(16)))
	}},
	{"read/empty-zone-is-zero", nil, func(d *drive) {
		d.does(d.zone(0).read(0, d.blocks(16)), d.lastZone().read(0, d.blocks(16)))
		d.zone(0).is(zoned.Empty, 0)
	}},
	{"read/behind-the-capacity-is-zero", []Need{unusableTail}, func(d *drive) {
		z := d.zone(0)
		d.does(z.read(z.capacity(), d.block), z.read(z.size()-d.block, d.block))
		z.fillUpTo(0, z.capacity())
		d.does(z.read(z.capacity(), d.block), z.read(z.size()-d.block, d.block),
			z.read(z.capacity()-d.blocks(3), d.blocks(4)))
	}},
	{"read/whole-zone", nil, func(d *drive) {
		z := d.zone(0)
		d.does(z.write(0, d.blocks(7)))
		z.contains(0, z.size())
	}},
	{"read/full-zone", nil, func(d *drive) {
		z := d.lastZone()
		z.fillUpTo(0, z.capacity())
		z.contains(0, z.capacity())
	}},
	{"read/of-a-closed-zone-does-not-open-it", nil, func(d *drive) {
		z := d.zone(0)
		z.inCondition(zoned.Closed)
		d.does(z.read(0, d.blocks(2)))
		z.is(zoned.Closed, d.blocks(2))
	}},
	{"read/of-the-largest-request", nil, func(d *drive) {
		z, n := d.zone(0), min(d.MaxIO(), d.geo.ZoneCapacity)
		d.does(z.write(0, n), z.read(0, n))
	}},
	{"read/conventional-anywhere", []Need{conventionalZones}, func(d *drive) {
		z := d.conventional()
		d.does(z.write(d.blocks(4), d.blocks(4)), z.read(d.blocks(6), d.block), z.read(d.blocks(4), d.blocks(4)),
			z.read(z.size()-d.block, d.block))
		z.is(zoned.NotWP, 0)
	}},
	{"read/zones-do-not-mix", nil, func(d *drive) {
		for k, z := range d.zones(3) {
			d.does(z.write(0, d.blocks(k+1)))
		}
		for k, z := range d.zones(3) {
			z.contains(0, d.blocks(k+1))
		}
	}},
}
