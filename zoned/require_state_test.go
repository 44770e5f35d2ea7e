// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/zoned"
)

// TestR06_EachLimitHasItsOwnError: who is refused can tell which limit it was.
func TestR06_EachLimitHasItsOwnError(t *testing.T) {
	geo, entries := parseZones(t, "oe:1 em em", 0)
	for name, c := range map[string]struct {
		lim  zoned.Limits
		want zoned.Rule
	}{
		"open":   {zoned.Limits{MaxOpen: 1, MaxActive: 3}, zoned.RuleOpenLimit},
		"active": {zoned.Limits{MaxOpen: 1, MaxActive: 1}, zoned.RuleActiveLimit},
	} {
		d, err := zoned.New(geo, c.lim, slices.Values(entries), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"write", "append", "open"} {
			var rule *zoned.Error
			err := do(t, d, kind, nil, 8, 1)
			if !errors.As(err, &rule) || rule.Rule != c.want || rule.Limit != 1 {
				t.Errorf("%s limit, %s: %v", name, kind, err)
			}
		}
	}
}

// TestR12_LookingChangesNothing: reports and states only read.
func TestR12_LookingChangesNothing(t *testing.T) {
	p := newPlayer(t, script{zones: "cv em oi:1 oe:0 cl:1 fu ro:1 of", limits: zoned.Limits{MaxOpen: 2, MaxActive: 3}})
	p.begin("a", []string{"append", "a", "16", "1"})
	calls, before := p.seen.calls, p.dev.Report(0, 8)
	for i := range uint32(8) {
		p.dev.State(i)
		p.dev.Info(i)
	}
	if diff := cmp.Diff(before, p.dev.Report(0, 8)); diff != "" || p.seen.calls != calls {
		t.Errorf("the observer was called %d times: %s", p.seen.calls-calls, diff)
	}
	p.check("after looking")
	want := []zoned.Info{
		{Start: 0, Length: 8, Capacity: 8, WP: 0, Condition: zoned.NotWP, Conventional: true},
		{Start: 8, Length: 8, Capacity: 6, WP: 8, Condition: zoned.Empty},
		{Start: 16, Length: 8, Capacity: 6, WP: 17, Condition: zoned.ImplicitOpen},
		{Start: 24, Length: 8, Capacity: 6, WP: 24, Condition: zoned.ExplicitOpen},
		{Start: 32, Length: 8, Capacity: 6, WP: 33, Condition: zoned.Closed},
		{Start: 40, Length: 8, Capacity: 6, WP: 46, Condition: zoned.Full},
		{Start: 48, Length: 8, Capacity: 6, WP: 49, Condition: zoned.ReadOnly},
		{Start: 56, Length: 8, Capacity: 6, WP: 56, Condition: zoned.Offline},
	}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Error(diff)
	}
}

func TestR13_ConditionIsDerivedFromTheWritePointer(t *testing.T) {
	geo := zoned.Geometry{Size: 21, ZoneSize: 8, ZoneCapacity: 6}
	for _, c := range []struct {
		zone    uint32
		wp      uint64
		claimed zoned.Condition
		want    zoned.Condition
	}{
		{1, 8, zoned.NotWP, zoned.Empty},
		{1, 9, zoned.NotWP, zoned.Closed},
		{1, 13, zoned.NotWP, zoned.Closed},
		{1, 14, zoned.NotWP, zoned.Full},
		{1, 16, zoned.NotWP, zoned.Full},
		{2, 16, zoned.NotWP, zoned.Empty},
		{2, 20, zoned.NotWP, zoned.Closed},
		{2, 21, zoned.NotWP, zoned.Full},
		{2, 24, zoned.NotWP, zoned.Full}, // the size of a whole zone, past the disk's end
		{1, 8, zoned.Closed, zoned.Empty},
		{1, 8, zoned.Full, zoned.Empty},
		{1, 9, zoned.Empty, zoned.Closed},
		{1, 9, zoned.Full, zoned.Closed},
		{1, 14, zoned.ExplicitOpen, zoned.Full},
		{1, 14, zoned.ImplicitOpen, zoned.Full},
		{1, 9, zoned.ExplicitOpen, zoned.ExplicitOpen},
		{1, 8, zoned.ExplicitOpen, zoned.ExplicitOpen},
		{1, 9, zoned.ImplicitOpen, zoned.ImplicitOpen},
		{1, 9, zoned.ReadOnly, zoned.ReadOnly},
		{1, 16, zoned.ReadOnly, zoned.ReadOnly},
		{1, 8, zoned.Offline, zoned.Offline},
		{1, 9, 0x9, zoned.Closed}, // no condition at all
	} {
		entries := []zoned.Entry{{WP: 0}, {WP: 8}, {WP: 16}}
		entries[c.zone] = zoned.Entry{WP: c.wp, Condition: c.claimed}
		d, err := zoned.New(geo, zoned.Limits{}, slices.Values(entries), nil)
		if err != nil {
			t.Fatal(err)
		}
		s := d.State(c.zone)
		if want := min(c.wp, geo.WritableEnd(c.zone)); s.Condition != c.want || s.WP != want {
			t.Errorf("zone %d at %d, said to be %s: %s at %d, want %s at %d", c.zone, c.wp, c.claimed, s.Condition, s.WP, c.want, want)
		}
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	}
}

// TestR17_NoAppendLimit also stands for R61: without a limit of its own an
// append is bounded by the zone alone.
func TestR17_NoAppendLimit(t *testing.T) {
	runScripts(t, []script{
		{name: "none", zones: "em em", text: `
			append a 0 6 -> granted at 0`},
		{name: "one byte above", zones: "em em", limits: zoned.Limits{MaxAppend: 2}, text: `
			append a 0 3 -> refused: append larger than the device allows
			append a 0 2 -> granted at 0
			write b 2 4  -> granted`},
		{name: "whatever the zone", zones: "fu cl:2", limits: zoned.Limits{MaxAppend: 2}, text: `
			append a 0 3 -> refused: append larger than the device allows
			append a 0 2 -> refused: zone is full`},
	})
}

// TestR20_RefusalsLeaveNoLock: the player checks that nothing is locked after
// each line; here each rule is broken once.
func TestR20_RefusalsLeaveNoLock(t *testing.T) {
	p := newPlayer(t, script{
		zones:  "cv oe:1 cl:1 em fu ro of",
		limits: zoned.Limits{MaxOpen: 1, MaxActive: 2, MaxAppend: 6},
	})
	p.play(`
		read a 56 1   -> refused: outside the disk
		open a 9      -> refused: not at the start of a zone
		write a 7 2   -> refused: crosses a zone boundary
		write a 10 1  -> refused: not at the write pointer
		write a 9 6   -> refused: beyond the zone capacity
		append a 8 7  -> refused: append larger than the device allows
		append a 0 1  -> refused: conventional zone
		append a 32 1 -> refused: zone is full
		append a 40 1 -> refused: zone is read-only
		append a 48 1 -> refused: zone is offline
		append a 16 1 -> refused: too many open zones
		append a 24 1 -> refused: too many active zones
		append b 8 1  -> granted at 9
		append c 8 1  -> granted at 10
		fail b        -> b failed
		ok c          -> c aborted`)
}

func TestR23_ResetZonesReadAsZeros(t *testing.T) {
	runScripts(t, []script{{name: "nothing is readable", zones: "fu cl:3", text: `
		read a 0 8   -> granted 6
		ok a         -> nothing
		reset b 0    -> granted
		ok b         -> b ok
		read a 0 8   -> granted 0
		ok a         -> nothing
		reset-all c  -> granted
		ok c         -> c ok
		read a 8 8   -> granted 0`}})
}

func TestR24_OneEntryForEachZone(t *testing.T) {
	geo, entries := parseZones(t, "em em em", 0)
	for _, bad := range [][]zoned.Entry{nil, entries[:2], append(entries[:3:3], zoned.Entry{WP: 24})} {
		if d, err := zoned.New(geo, zoned.Limits{}, slices.Values(bad), nil); err == nil || d != nil {
			t.Errorf("%d entries for 3 zones: %v", len(bad), err)
		}
	}
}

func TestR26_FailedResetAndFinishChangeNothing(t *testing.T) {
	runScripts(t, []script{
		{name: "reset", zones: "oe:2 em", text: `
			reset a 0    -> granted
			fail a       -> a failed
			zone 0       -> explicit-open 2
			counts       -> open 1, active 1, implicit 0
			write b 2 1  -> granted`},
		{name: "finish", zones: "cl:2 em", text: `
			finish a 0   -> granted
			fail a       -> a failed
			zone 0       -> closed 2
			write b 2 1  -> granted`},
		{name: "reset of all zones", zones: "cl:2 fu", text: `
			reset-all a  -> granted
			fail a       -> a failed
			zone 0       -> closed 2
			zone 1       -> full 14
			reset b 8    -> granted`},
	})
}

func TestR42_ConventionalZonesHaveNoWritePointer(t *testing.T) {
	geo := zoned.Geometry{Size: 16, ZoneSize: 8, ZoneCapacity: 8, Conventional: 1}
	d, err := zoned.New(geo, zoned.Limits{}, slices.Values([]zoned.Entry{{WP: 1<<59 | 3}, {WP: 8}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := d.State(0); s.WP != 0 || s.Condition != zoned.NotWP || geo.Rest(0, 8) != zoned.NotWP {
		t.Errorf("%v", s)
	}
}

// TestR60_InvalidGeometryMakesNoDevice: limits and geometry take effect as
// given, or there is no device.
func TestR60_InvalidGeometryMakesNoDevice(t *testing.T) {
	geo, entries := parseZones(t, "em em em", 0)
	lim := zoned.Limits{MaxOpen: 1, MaxActive: 2, MaxAppend: 3}
	d, err := zoned.New(geo, lim, slices.Values(entries), nil)
	if err != nil || d.Geometry() != geo || d.Limits() != lim {
		t.Errorf("%+v with %+v: %v", d.Geometry(), d.Limits(), err)
	}
	geo.ZoneCapacity = 9
	if d, err := zoned.New(geo, lim, slices.Values(entries), nil); err == nil || d != nil {
		t.Errorf("a capacity above the zone size: %v", err)
	}
}

func TestR67_ErrorsSayWhichRule(t *testing.T) {
	for _, r := range zoned.Rules() {
		want := syscall.EIO
		switch r {
		case zoned.RuleOpenLimit:
			want = syscall.ETOOMANYREFS
		case zoned.RuleActiveLimit:
			want = syscall.EOVERFLOW
		}
		if r.Errno() != want {
			t.Errorf("%s: %v, want %v", r, r.Errno(), want)
		}
	}
	d := manyZones(t, 5, zoned.Limits{MaxAppend: 4})
	d.BeginAppend(&zoned.Op{}, 24, 3) // in flight
	for text, err := range map[string]error{
		"write at 25, 2 bytes, zone 3 (implicit-open, write pointer 27): not at the write pointer":        do(t, d, "write", nil, 25, 2),
		"write at 19, 2 bytes, zone 2 (empty, write pointer 16): not at the write pointer":                do(t, d, "write", nil, 19, 2),
		"append at 8, 5 bytes, zone 1 (empty, write pointer 8): append larger than the device allows (4)": do(t, d, "append", nil, 8, 5),
		"finish at 9, 0 bytes, zone 1 (empty, write pointer 8): not at the start of a zone":               do(t, d, "finish", nil, 9),
		"read at 40, 1 bytes, zone 4 (empty, write pointer 32): outside the disk (40)":                    do(t, d, "read", nil, 40, 1),
		"write at 16, 7 bytes, zone 2 (empty, write pointer 16): beyond the zone capacity (6)":            do(t, d, "write", nil, 16, 7),
		"read at 7, 2 bytes, zone 0 (empty, write pointer 0): crosses a zone boundary (8)":                do(t, d, "read", nil, 7, 2),
	} {
		if err == nil || err.Error() != text {
			t.Errorf("got  %v\nwant %s", err, text)
		}
		if rule := (*zoned.Error)(nil); !errors.As(err, &rule) || !errors.Is(err, &zoned.Error{Rule: rule.Rule}) || errors.Is(err, &zoned.Error{}) || errors.Is(err, errIO) {
			t.Errorf("%v: Is does not ask for its rule", err)
		}
	}
}

// TestAbortedErrorTellsTheTruth: its write pointer is the one the zone falls
// back to, not the one that the failed writes had hoped for.
func TestAbortedErrorTellsTheTruth(t *testing.T) {
	d := manyZones(t, 2, zoned.Limits{})
	var below, above zoned.Op
	d.BeginAppend(&below, 8, 2)
	d.BeginAppend(&above, 8, 3)
	d.EndWrite(&below, errIO)
	d.EndWrite(&above, nil)
	want := "append at 10, 3 bytes, zone 1 (implicit-open, write pointer 8): a write below it in the zone failed"
	if above.Err == nil || above.Err.Error() != want {
		t.Errorf("got  %v\nwant %s", above.Err, want)
	}
}

func TestR71_CorruptTableIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		wp   uint64
		want string
	}{
		{"below the zone", 7, "zone 1: write pointer 7 outside the zone, 8 to 16"},
		{"at 0", 0, "zone 1: write pointer 0 outside"},
		{"past the zone", 17, "zone 1: write pointer 17 outside"},
		{"far away", 1<<64 - 1, "zone 1: write pointer 18446744073709551615 outside"},
		{"at its start", 8, ""},
		{"at its end", 16, ""},
	} {
		for _, cond := range []zoned.Condition{zoned.NotWP, zoned.ReadOnly, zoned.Offline, zoned.ExplicitOpen} {
			geo, entries := parseZones(t, "em em em", 0)
			entries[1] = zoned.Entry{WP: c.wp, Condition: cond}
			d, err := zoned.New(geo, zoned.Limits{}, slices.Values(entries), nil)
			if c.want == "" && err != nil || c.want != "" && (d != nil || err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}
