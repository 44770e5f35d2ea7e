// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"fmt"
	"slices"

	"zqublkd/zoned"
)

// Case is one thing that a device must get right.
type Case struct {
	Name  string
	Needs []Need
	do    func(d *drive)
}

// Need is what a device must have for a case to make sense.
type Need struct {
	What string
	met  func(d *drive) bool
}

// What cases need. Most need nothing.
var (
	conventionalZones = Need{"conventional zones", func(d *drive) bool { return d.geo.Conventional > 0 }}
	openLimit         = Need{"a limit of open zones", func(d *drive) bool { return d.lim.MaxOpen > 0 }}
	activeLimit       = Need{"a limit of active zones", func(d *drive) bool { return d.lim.MaxActive > 0 }}
	noOpenLimit       = Need{"unlimited open zones", func(d *drive) bool { return d.lim.MaxOpen == 0 }}
	noActiveLimit     = Need{"unlimited active zones", func(d *drive) bool { return d.lim.MaxActive == 0 }}
	moreActive        = Need{"more active than open zones", func(d *drive) bool {
		return d.lim.MaxOpen > 0 && (d.lim.MaxActive == 0 || d.lim.MaxActive > d.lim.MaxOpen)
	}}
	severalOpen  = Need{"a limit of two or more open zones", func(d *drive) bool { return d.lim.MaxOpen > 1 }}
	unusableTail = Need{"a capacity below the zone size",
		func(d *drive) bool { return d.geo.ZoneCapacity < d.geo.ZoneSize }}
	noUnusableTail = Need{"a capacity of the zone size",
		func(d *drive) bool { return d.geo.ZoneCapacity == d.geo.ZoneSize }}
	oneWriteFills = Need{"requests as large as a zone", func(d *drive) bool { return d.geo.ZoneCapacity <= d.MaxIO() }}
	appends       = Need{"appends", func(d *drive) bool { return has[Appender](d) }}
	appendLimit   = Need{"a limit of appends", func(d *drive) bool {
		return d.lim.MaxAppend > 0 &&
			d.lim.MaxAppend < d.MaxIO()
	}}
	powerCycles = Need{"power cycles", func(d *drive) bool { return has[PowerCycler](d) }}
	degrading   = Need{"read-only and offline zones", func(d *drive) bool { return has[Degrader](d) }}
	faults      = Need{"failing writes", func(d *drive) bool { return has[Faulter](d) }}
)

func has[T any](d *drive) bool {
	_, ok := any(d.Target).(T)
	return ok
}

// Cases lists all there are.
func Cases() []Case {
	return slices.Concat(reportCases, cellCases(), writeCases, capacityCases, boundaryCases, readCases, openCases,
		closeCases,
		finishCases, resetCases, resetAllCases, openLimitCases, activeLimitCases, evictionCases, noLimitCases,
		appendCases, parallelCases, faultCases, powerCases, degradedCases)
}

// suits: the device has what c needs.
func (c Case) suits(d *drive) bool {
	return !slices.ContainsFunc(c.Needs, func(n Need) bool { return !n.met(d) })
}

// inCondition brings the zone into a condition with two blocks of data, if it
// can have any.
func (z zone) inCondition(c zoned.Condition) {
	data := z.write(0, z.d.blocks(2))
	switch c {
	case zoned.NotWP, zoned.ImplicitOpen:
		z.d.does(data)
	case zoned.ExplicitOpen:
		z.d.does(z.open(), data)
	case zoned.Closed:
		z.d.does(data, z.close())
	case zoned.Full:
		z.d.does(data, z.finish())
	case zoned.ReadOnly, zoned.Offline:
		z.d.does(data)
		z.degrade(c)
	}
}

// must does a without a look at the zones before and after.
func (d *drive) must(a act) {
	if e := d.do(a); e != 0 {
		d.fail("%s: got %s, want success", a, errnoName(e))
	}
}

// fillUpTo writes from byte from of the zone up to byte to, in as few requests
// as may be.
func (z zone) fillUpTo(from, to uint64) {
	for from < to {
		n := min(z.d.MaxIO(), to-from)
		z.d.must(z.write(from, n))
		from += n
	}
}

// contains: n bytes from byte off of the zone are what was written, zeros
// where nothing was.
func (z zone) contains(off, n uint64) {
	for end := off + n; off < end; {
		piece := min(z.d.MaxIO(), end-off)
		z.d.must(z.read(off, piece))
		off += piece
	}
}

// largestAppend is the size of the largest append, in bytes.
func (d *drive) largestAppend() uint64 {
	if d.lim.MaxAppend == 0 {
		return d.MaxIO()
	}
	return min(d.MaxIO(), d.lim.MaxAppend)
}

// degrade makes the zone read-only or offline until the case ends.
func (z zone) degrade(c zoned.Condition) {
	z.d.acts = append(z.d.acts, fmt.Sprintf("zone %d becomes %s", z.i, c))
	z.d.degraded[z.i] = true
	z.d.seen = nil
	z.d.failIf(z.d.Target.(Degrader).SetCondition(z.i, c))
}

// heal makes a degraded zone an empty one.
func (d *drive) heal(zone uint32) {
	d.seen = nil
	d.failIf(d.Target.(Degrader).SetCondition(zone, zoned.Empty))
	delete(d.degraded, zone)
	d.content.erased(zone)
}

// powerCycle stops the device and starts it again.
func (d *drive) powerCycle() {
	d.acts = append(d.acts, "power cycle")
	d.seen = nil
	d.failIf(d.Target.(PowerCycler).PowerCycle())
}

// fails does a, a write or an append whose I/O fails.
func (d *drive) fails(a act) {
	before := d.now()
	d.Target.(Faulter).FailNextWrite()
	if e := d.do(a); e != mediumFailure {
		d.fail("%s, whose I/O fails: got %s, want %s", a, errnoName(e), errnoName(mediumFailure))
	}
	if d.geo.IsConventional(a.zone) {
		d.content.torn(d.geo.Start(a.zone)+a.off, a.n)
	}
	d.failIf(d.onlyOwn(a, before, d.report()))
}
