// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"fmt"
	"strings"

	"zqublkd/zoned"
)

// Cells is what an operation that runs alone makes of a zone that has some
// data, if it can have any: the new condition with the slots taken (+) and
// freed (-), of open and active zones, or ! for refused. Conditions have the
// names of blkzone(8); the -rest of a zone is all up to its capacity.
const Cells = `
            nw     em      oi      oe      cl    fu     ro     of
read        nw     em      oi      oe      cl    fu     ro     !of
write       nw     oi+o+a  oi      oe      oi+o  !fu    !ro    !of
append      !nw    oi+o+a  oi      oe      oi+o  !fu    !ro    !of
write-rest  nw     fu      fu-o-a  fu-o-a  fu-a  !fu    !ro    !of
append-rest !nw    fu      fu-o-a  fu-o-a  fu-a  !fu    !ro    !of
write-fails nw     oi+o+a  oi      oe      oi+o  !fu    !ro    !of
open        !nw    oe+o+a  oe      oe      oe+o  !fu    !ro    !of
close       !nw    em      cl-o    cl-o    cl    fu     !ro    !of
finish      !nw    fu      fu-o-a  fu-o-a  fu-a  fu     !ro    !of
reset       !nw    em      em-o-a  em-o-a  em-a  em     !ro    !of
reset-all   nw     em      em-o-a  em-o-a  em-a  em     ro     of
`

// cell is one of them.
type cell struct {
	action string
	was    zoned.Condition
	want   string
}

func cellCases() []Case {
	lines := strings.Split(strings.TrimSpace(Cells), "\n")
	columns := strings.Fields(lines[0])
	var cases []Case
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		for k, column := range columns {
			c := cell{words[0], conditionOf(column), words[k+1]}
			name := fmt.Sprintf("cell/%s/%s", c.action, c.was)
			cases = append(cases, Case{name, c.needs(), c.run})
		}
	}
	return cases
}

func conditionOf(short string) zoned.Condition {
	for _, c := range zoned.Conditions {
		if c.Short() == short {
			return c
		}
	}
	panic("no condition " + short)
}

func (c cell) needs() []Need {
	var needs []Need
	switch c.was {
	case zoned.NotWP:
		needs = append(needs, conventionalZones)
	case zoned.ReadOnly, zoned.Offline:
		needs = append(needs, degrading)
	}
	if strings.HasPrefix(c.action, "append") {
		needs = append(needs, appends)
	}
	if c.action == "write-fails" {
		needs = append(needs, faults)
	}
	return needs
}

func (c cell) run(d *drive) {
	z := d.zone(1)
	if c.was == zoned.NotWP {
		z = d.conventional()
	}
	if c.was != zoned.Empty {
		z.inCondition(c.was)
	}
	before := d.now()
	c.act(z, before[z.i])
	if got := "!" + slotsOf(z, before); strings.HasPrefix(c.want, "!") && got != c.want {
		d.fail("the refused request left the zone %s, want %s", got[1:], c.want[1:])
	}
	if got := slotsOf(z, before); !strings.HasPrefix(c.want, "!") && got != c.want {
		d.fail("the zone is %s, want %s", got, c.want)
	}
}

// slotsOf is the condition of the zone, and how many more or less zones than
// before are open and active.
func slotsOf(z zone, before []zoned.Info) string {
	infos := z.d.now()
	o, a := count(infos)
	o0, a0 := count(before)
	return infos[z.i].Condition.Short() + changeOf("o", o-o0) + changeOf("a", a-a0)
}

func changeOf(name string, n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "+" + name
	case -1:
		return "-" + name
	}
	return fmt.Sprintf("%+d%s", n, name)
}

// act does the operation of the cell to the zone.
func (c cell) act(z zone, was zoned.Info) {
	wp := was.WP - was.Start
	if !hasWP(c.was) { // none, or nothing that fits behind it
		wp = 0
	}
	switch c.action {
	case "write-rest", "append-rest":
		c.rest(z, wp)
	case "write-fails":
		c.fault(z, z.write(wp, z.d.block))
	case "read":
		c.expect(z.d, z.read(0, z.d.blocks(2)))
	case "write":
		c.expect(z.d, z.write(wp, z.d.block))
	default:
		c.expect(z.d, map[string]act{"append": z.append(z.d.block), "open": z.open(), "close": z.close(),
			"finish": z.finish(), "reset": z.reset(), "reset-all": z.d.resetAll()}[c.action])
	}
}

func (c cell) expect(d *drive, a act) {
	if strings.HasPrefix(c.want, "!") {
		d.refuses(refused, a)
	} else {
		d.does(a)
	}
}

// rest writes or appends up to the capacity; of a conventional zone, which has
// no write pointer to start at, only the end.
func (c cell) rest(z zone, wp uint64) {
	if c.was == zoned.NotWP {
		wp = z.capacity() - z.d.blocks(4)
	}
	for at := wp; at < z.capacity(); {
		n := min(z.d.largestAppend(), z.capacity()-at)
		a := z.write(at, n)
		if c.action == "append-rest" {
			a = z.append(n)
		}
		c.expect(z.d, a)
		if at += n; strings.HasPrefix(c.want, "!") {
			return
		}
	}
}

// fault makes the I/O of a fail, if it comes to that.
func (c cell) fault(z zone, a act) {
	if strings.HasPrefix(c.want, "!") {
		c.expect(z.d, a)
		return
	}
	z.d.fails(a)
}
