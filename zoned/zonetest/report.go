// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"errors"
	"fmt"
	"syscall"

	"zqublkd/zoned"
)

// report is every zone of the device, sane.
func (d *drive) report() []zoned.Info {
	d.seen = d.reportOf(0, int(d.geo.Zones()))
	d.failIf(d.sane(d.seen))
	return d.seen
}

// now is the report since which no request was sent.
func (d *drive) now() []zoned.Info {
	if d.seen == nil {
		return d.report()
	}
	return d.seen
}

func (d *drive) info(zone uint32) zoned.Info { return d.now()[zone] }

func (d *drive) reportOf(off uint64, n int) []zoned.Info {
	var infos []zoned.Info
	e := d.answered("report", func() (e syscall.Errno) {
		infos, e = d.Report(off, n)
		return e
	})
	if e != 0 {
		d.fail("report of %d zones from %d: got %s, want success", n, off, errnoName(e))
	}
	return infos
}

// sane: the report fits the geometry and passes no limit.
func (d *drive) sane(infos []zoned.Info) error {
	if len(infos) != int(d.geo.Zones()) {
		return fmt.Errorf("the report has %d zones, want %d", len(infos), d.geo.Zones())
	}
	errs := make([]error, len(infos))
	for i := range infos {
		errs[i] = d.saneZone(uint32(i), infos[i])
	}
	open, active := count(infos)
	if over(open, d.lim.MaxOpen) || over(active, d.lim.MaxActive) {
		errs = append(errs, fmt.Errorf("%d zones are open and %d active, the limits are %d and %d", open, active, d.lim.MaxOpen, d.lim.MaxActive))
	}
	return errors.Join(errs...)
}

func over(n int, limit uint32) bool { return limit != 0 && n > int(limit) }

// count counts open and active zones.
func count(infos []zoned.Info) (open, active int) {
	for _, z := range infos {
		switch z.Condition {
		case zoned.ImplicitOpen, zoned.ExplicitOpen:
			open, active = open+1, active+1
		case zoned.Closed:
			active++
		}
	}
	return open, active
}

func (d *drive) saneZone(i uint32, z zoned.Info) error {
	want := zoned.Info{Start: d.geo.Start(i), Length: d.geo.Length(i), Capacity: d.geo.Capacity(i),
		WP: z.WP, Condition: z.Condition, Conventional: d.geo.IsConventional(i)}
	if z != want {
		return fmt.Errorf("zone %d is reported as %+v, want %+v", i, z, want)
	}
	return wpError(i, z)
}

// wpError holds the write pointer against the condition. Zones that can't be
// written have none, whatever is reported.
func wpError(i uint32, z zoned.Info) error {
	written := z.WP - z.Start
	ok := true
	switch z.Condition {
	case zoned.NotWP:
		ok = z.Conventional
	case zoned.Empty:
		ok = written == 0
	case zoned.ImplicitOpen, zoned.ExplicitOpen:
		ok = written < z.Capacity
	case zoned.Closed:
		ok = written > 0 && written < z.Capacity
	case zoned.Full, zoned.ReadOnly, zoned.Offline:
	default:
		ok = false
	}
	if !ok || z.Conventional != (z.Condition == zoned.NotWP) {
		return fmt.Errorf("zone %d is %s with its write pointer at %d (capacity %d, conventional %t)", i, z.Condition, int64(written), z.Capacity, z.Conventional)
	}
	return nil
}

// same: two reports say the same of a zone.
func same(a, b zoned.Info) bool {
	if a.Condition == b.Condition && !hasWP(a.Condition) {
		a.WP = b.WP
	}
	return a == b
}

func hasWP(c zoned.Condition) bool { return c == zoned.Empty || c.Active() }

// changed lists what two reports say differently.
func changed(before, after []zoned.Info) string {
	text := ""
	for i := range before {
		if !same(before[i], after[i]) {
			text += ", " + change(i, before, after)
		}
	}
	return text
}

func change(i int, before, after []zoned.Info) string {
	b, a := before[i], after[i]
	return fmt.Sprintf("zone %d from %s at %d to %s at %d", i, b.Condition, b.WP-b.Start, a.Condition, a.WP-a.Start)
}

// onlyOwn: a has changed no zone but its own, and closed at most one more, if
// it had to.
func (d *drive) onlyOwn(a act, before, after []zoned.Info) error {
	if a.all {
		return nil
	}
	open, _ := count(before)
	mayClose := a.opens() && !before[a.zone].Condition.Open() && !before[a.zone].Conventional &&
		d.lim.MaxOpen != 0 && open == int(d.lim.MaxOpen)
	for i := range before {
		if uint32(i) == a.zone || same(before[i], after[i]) {
			continue
		}
		if mayClose && closedNow(before[i], after[i]) {
			mayClose = false
			continue
		}
		return fmt.Errorf("%s changed %s", a, change(i, before, after))
	}
	return nil
}

// closedNow: an implicitly open zone has become closed, or empty if it has no
// data.
func closedNow(before, after zoned.Info) bool {
	want := before
	want.Condition = zoned.Closed
	if before.WP == before.Start {
		want.Condition = zoned.Empty
	}
	return before.Condition == zoned.ImplicitOpen && after == want
}

// is holds the zone against what it must be: wp counts bytes from its start,
// and is of no interest where the condition has no write pointer.
func (z zone) is(c zoned.Condition, wp uint64) {
	got := z.d.info(z.i)
	if got.Condition != c || hasWP(c) && got.WP-got.Start != wp {
		z.d.fail("zone %d is %s at %d, want %s at %d", z.i, got.Condition, got.WP-got.Start, c, wp)
	}
}

// are: every zone is in condition c.
func (d *drive) are(c zoned.Condition, zones ...zone) {
	infos := d.now()
	for _, z := range zones {
		if got := infos[z.i].Condition; got != c {
			d.fail("zone %d is %s, want %s", z.i, got, c)
		}
	}
}
