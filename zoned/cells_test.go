// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zqublkd/zoned"
)

// cellsWanted is the state machine once more, written by hand: what an
// operation that runs alone and succeeds makes of a zone. A cell is the new
// condition with the slots taken (+) and freed (-), of open and active zones,
// or the rule that refuses. A zone has 2 of its 6 bytes written, but those
// that can't have.
const cellsWanted = `
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

var cellRules = map[string]zoned.Rule{
	"!nw": zoned.RuleConventional, "!fu": zoned.RuleFull, "!ro": zoned.RuleReadOnly, "!of": zoned.RuleOffline,
}

func TestEveryCell(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(cellsWanted), "\n")
	columns := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		for k, column := range columns {
			t.Run(words[0]+" "+column, func(t *testing.T) {
				if got, want := runCell(t, words[0], column), words[k+1]; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

// runCell does one operation on the zone at byte 8 of a device on which no
// other zone is open, and says what came of it.
func runCell(t *testing.T, action, column string) string {
	t.Helper()
	zone := map[string]string{"nw": "cv", "em": "em", "fu": "fu"}[column]
	if zone == "" {
		zone = column + ":2"
	}
	d := cellDevice(t, zone)
	open, active := d.Open(), d.Active()
	err := act(t, d, action)
	if errors.Is(err, errIO) {
		err = nil
	}
	if cerr := d.Check(); cerr != nil {
		t.Fatal(cerr)
	}
	got := d.State(1).Condition.Short() + change("o", d.Open()-open) + change("a", d.Active()-active)
	var rule *zoned.Error
	if !errors.As(err, &rule) {
		return got
	}
	for name, r := range cellRules {
		if r == rule.Rule && got == column {
			return name
		}
	}
	return fmt.Sprintf("%v, and the zone is %s", err, got)
}

func cellDevice(t *testing.T, zone string) *zoned.Device {
	t.Helper()
	first := "em"
	if zone == "cv" {
		first = "cv"
	}
	geo, entries := parseZones(t, first+" "+zone+" em", 0)
	d, err := zoned.New(geo, zoned.Limits{MaxOpen: 1, MaxActive: 1}, slices.Values(entries), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func change(name string, n int) string {
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

// act does an operation on zone 1 to its end.
func act(t *testing.T, d *zoned.Device, action string) error {
	t.Helper()
	wp := d.State(1).WP
	rest := d.Geometry().WritableEnd(1) - wp
	if rest == 0 { // full: something that would fit an empty zone
		wp, rest = d.Geometry().Start(1), 1
	}
	switch action {
	case "write":
		return do(t, d, "write", nil, wp, 1)
	case "write-rest":
		return do(t, d, "write", nil, wp, rest)
	case "write-fails":
		return do(t, d, "write", errIO, wp, 1)
	case "append":
		return do(t, d, "append", nil, 8, 1)
	case "append-rest":
		return do(t, d, "append", nil, 8, rest)
	}
	return do(t, d, action, nil, 8, 1)
}

// do runs one request alone, from its Begin to its answer.
func do(t testing.TB, d *zoned.Device, kind string, io error, arg ...uint64) error {
	t.Helper()
	var op zoned.Op
	v, _, err := begin(d, &op, kind, append(arg, 0, 0))
	switch v {
	case zoned.Done, zoned.Refused:
		return err
	case zoned.Parked:
		t.Fatalf("%s %v is parked, alone", kind, arg)
	}
	back := end(d, &op, kind, io)
	if kind == "read" {
		if back != nil {
			t.Fatalf("%s %v: the end of a read gave something back", kind, arg)
		}
		return io
	}
	if back != &op || back.Next() != nil {
		t.Fatalf("%s %v: its end did not give it back alone", kind, arg)
	}
	return op.Err
}

// TestDeviceFollowsTable holds what a device does against the exported table.
func TestDeviceFollowsTable(t *testing.T) {
	action := map[zoned.Operation]string{
		zoned.OpRead: "read", zoned.OpWrite: "write", zoned.OpAppend: "append", zoned.OpOpen: "open", zoned.OpClose: "close",
		zoned.OpFinish: "finish", zoned.OpReset: "reset", zoned.OpFill: "write-rest",
	}
	for _, op := range zoned.Operations() {
		if op == zoned.OpEvict { // takes two zones: TestEvictCells
			continue
		}
		for _, c := range zoned.Conditions {
			cell, ok := zoned.Lookup(op, c)
			if !ok {
				continue
			}
			got := runCell(t, action[op], c.Short())
			if cell.Refused != 0 {
				if cellRules[got] != cell.Refused {
					t.Errorf("%s of a zone that is %s: %s, the table says %s", op, c, got, cell.Refused)
				}
			} else if !strings.HasPrefix(got, cell.Next.Short()) {
				t.Errorf("%s of a zone that is %s: %s, the table says %s", op, c, got, cell.Next)
			}
		}
	}
}

func TestLookupOfNothing(t *testing.T) {
	for _, op := range []zoned.Operation{zoned.OpEvict + 1, 200} {
		if _, ok := zoned.Lookup(op, zoned.Empty); ok {
			t.Errorf("operation %d exists", op)
		}
	}
	if _, ok := zoned.Lookup(zoned.OpEvict, zoned.Closed); ok {
		t.Error("a closed zone can't be evicted")
	}
	if _, ok := zoned.Lookup(zoned.OpRead, 5); ok {
		t.Error("there is no condition 5")
	}
}

// TestEvictCells opens zone 2 while zone 1 has the only slot.
func TestEvictCells(t *testing.T) {
	for zone, want := range map[string]zoned.Condition{
		"oi:2": zoned.Closed, "oi:0": zoned.Empty, "oe:2": zoned.ExplicitOpen, "oe:0": zoned.ExplicitOpen,
	} {
		geo, entries := parseZones(t, "em "+zone+" em", 0)
		d, err := zoned.New(geo, zoned.Limits{MaxOpen: 1}, slices.Values(entries), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = do(t, d, "write", nil, 16, 1)
		if refused := errors.Is(err, &zoned.Error{Rule: zoned.RuleOpenLimit}); refused != want.Open() || err != nil && !refused {
			t.Errorf("%s: the other zone's write: %v", zone, err)
		}
		if got := d.State(1).Condition; got != want {
			t.Errorf("%s: %s, want %s", zone, got, want)
		}
		if d.Open() != 1 {
			t.Errorf("%s: %d zones are open", zone, d.Open())
		}
	}
}

// TestUnwrittenZoneHoldsNothing is the second half of the close cells: a zone
// without data goes back to empty, never to closed.
func TestUnwrittenZoneHoldsNothing(t *testing.T) {
	for _, zone := range []string{"oi:0", "oe:0"} {
		d := cellDevice(t, zone)
		if err := do(t, d, "close", nil, 8); err != nil {
			t.Fatal(err)
		}
		if s := d.State(1); s.Condition != zoned.Empty || d.Open() != 0 || d.Active() != 0 {
			t.Errorf("%s closed: %s, %d open, %d active", zone, s.Condition, d.Open(), d.Active())
		}
	}
}
