// SPDX-License-Identifier: Apache-2.0

package zonetest

import "zqublkd/zoned"

var reportCases = []Case{
	// The sanity of every report (see saneZone) is most of these.
	{"report/every-zone", nil, func(d *drive) {
		d.are(zoned.Empty, d.zones(d.sequential())...)
	}},
	{"report/every-condition", nil, func(d *drive) {
		z := d.zones(5)
		z[1].inCondition(zoned.Closed)
		z[4].inCondition(zoned.Full)
		z[0].is(zoned.Empty, 0)
		z[1].is(zoned.Closed, d.blocks(2))
		z[4].is(zoned.Full, 0)
	}},
	{"report/from-the-middle-of-a-zone", nil, func(d *drive) {
		z := d.zone(1)
		z.inCondition(zoned.ImplicitOpen)
		want := d.now()[z.i : z.i+2]
		for _, off := range []uint64{0, d.block, z.size() - d.block} {
			d.reports(z.start()+off, 2, want)
		}
	}},
	{"report/one-zone", nil, func(d *drive) {
		all := d.now()
		for i, z := range all {
			d.reports(z.Start, 1, all[i:i+1])
		}
	}},
	{"report/ends-with-the-disk", nil, func(d *drive) {
		all := d.now()
		d.reports(0, len(all)+1000, all)
		d.reports(d.lastZone().start(), 1000, all[len(all)-1:])
	}},
	{"report/outside-the-disk-is-nothing", nil, func(d *drive) {
		d.reports(d.geo.Size, 1, nil)
		d.reports(d.geo.Size+d.geo.ZoneSize, 1, nil)
	}},
	{"report/changes-nothing", nil, func(d *drive) {
		d.zone(0).inCondition(zoned.ImplicitOpen)
		d.zone(1).inCondition(zoned.Closed)
		first := d.report()
		for range 3 {
			d.reports(0, len(first), first)
		}
	}},
}

// reports: a report of n zones from byte off of the disk says want.
func (d *drive) reports(off uint64, n int, want []zoned.Info) {
	got := d.reportOf(off, n)
	if len(got) != len(want) {
		d.fail("report of %d zones from %d: got %d, want %d", n, off, len(got), len(want))
	}
	for i := range got {
		if !same(got[i], want[i]) {
			d.fail("report from %d: got %+v, want %+v", off, got[i], want[i])
		}
	}
}
