// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"zqublkd/zoned"
)

// Difference is a case that a device is known not to pass.
type Difference struct {
	Case      string // its name
	Seen      string // part of what the case says of the device
	Why       string
	Sometimes bool // it may pass, too
	Ruins     bool // not run: no reset makes the device a good one after it
}

// Run runs every case that the device can run, as a subtest, and returns their
// names. A case among differences must fail as said there. The device must
// have at least MinZones sequential zones, and nobody else may use it.
func Run(t *testing.T, target Target, differences ...Difference) (ran []string) {
	t.Helper()
	d := newDrive(target)
	if err := d.suited(); err != nil {
		t.Fatal(err)
	}
	known := map[string]Difference{}
	for _, x := range differences {
		known[x.Case] = x
	}
	for _, c := range Cases() {
		if !c.suits(d) {
			continue
		}
		one := func(t *testing.T) {
			if x := known[c.Name]; x.Ruins {
				t.Skipf("ruins the device: %q, because %s", x.Seen, x.Why)
			}
			ran = append(ran, c.Name)
			d.judge(t, c, known)
		}
		if !t.Run(c.Name, one) && d.lost {
			t.Fatal("the device can't go on with the next case")
		}
	}
	t.Logf("%d of %d cases ran; the device can't run what needs %s", len(ran), len(Cases()), strings.Join(Missing(target), ", or "))
	return ran
}

// Missing lists what some cases need and the device does not have.
func Missing(target Target) []string {
	d, missing := newDrive(target), map[string]bool{}
	for _, c := range Cases() {
		for _, n := range c.Needs {
			if !n.met(d) {
				missing[n.What] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

// MinZones is how many sequential zones the cases want with these limits.
func MinZones(l zoned.Limits) int { return int(max(l.MaxOpen, l.MaxActive)) + 6 }

func (d *drive) suited() error {
	if err := d.geo.Validate(); err != nil {
		return err
	}
	if n := MinZones(d.lim); d.sequential() < n {
		return fmt.Errorf("the device has %d sequential zones, the cases need %d", d.sequential(), n)
	}
	if d.geo.ZoneCapacity < d.blocks(128) || d.largestAppend() < d.blocks(16) {
		return fmt.Errorf("capacity %d, requests of %d bytes: want 128 and 16 blocks of %d", d.geo.ZoneCapacity, d.largestAppend(), d.block)
	}
	if d.lim.MaxActive != 0 && (d.lim.MaxActive < 3 || d.lim.MaxActive < d.lim.MaxOpen) {
		return fmt.Errorf("limits of %d active and %d open zones: want 3 active at least, and no more open than active", d.lim.MaxActive, d.lim.MaxOpen)
	}
	return nil
}

// judge runs one case and holds how it ends against what is known.
func (d *drive) judge(t *testing.T, c Case, known map[string]Difference) {
	if f := d.try(d.start); f != nil {
		d.lost = true
		t.Fatalf("before the case: %s", f.text)
	}
	f := d.run(c)
	d.lost = f != nil && f.hung
	x, differs := known[c.Name]
	switch ok, text := verdict(f, x, differs); {
	case !ok:
		t.Errorf("%s\nrequests: %s", text, strings.Join(d.acts, "; "))
	case text != "":
		t.Log(text)
	}
}

// run is the case and what must hold after it.
func (d *drive) run(c Case) *failure {
	return d.try(func() { c.do(d); d.audit() })
}

// verdict says whether a case ended well, of a device that differs as x says
// or not at all.
func verdict(f *failure, x Difference, differs bool) (ok bool, text string) {
	switch {
	case f == nil && differs && !x.Sometimes:
		return false, fmt.Sprintf("passed, but is known to differ: %q, because %s", x.Seen, x.Why)
	case f == nil:
		return true, ""
	case differs && strings.Contains(f.text, x.Seen):
		return true, fmt.Sprintf("differs, as known: %s\nbecause %s", f.text, x.Why)
	}
	return false, f.text
}

// try runs f and returns the failure it ended with, if any.
func (d *drive) try(f func()) (failed *failure) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case failure:
			failed = &v
		default:
			panic(v)
		}
	}()
	f()
	return nil
}

// start makes all sequential zones empty.
func (d *drive) start() {
	for i := range d.degraded {
		d.heal(i)
	}
	if e := d.do(d.resetAll()); e != 0 {
		d.fail("reset-all: got %s", errnoName(e))
	}
	d.are(zoned.Empty, d.zones(d.sequential())...)
	d.acts = nil
}
