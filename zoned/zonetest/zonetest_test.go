// SPDX-License-Identifier: Apache-2.0

package zonetest_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/zoned"
	"zqublkd/zoned/zonetest"
)

// Geometries and limits that make each other case interesting. Sizes are
// blocks of 512 bytes.
var setups = []struct {
	name                         string
	size, capacity, conventional uint64
	limits                       zoned.Limits
	maxIO                        uint64
}{
	{"open and active limit", 256, 192, 2, zoned.Limits{MaxOpen: 3, MaxActive: 5}, 64},
	{"equal limits", 256, 256, 1, zoned.Limits{MaxOpen: 4, MaxActive: 4, MaxAppend: 32 * 512}, 1024},
	{"one open zone", 256, 255, 0, zoned.Limits{MaxOpen: 1, MaxActive: 3}, 256},
	{"open limit alone", 192, 129, 0, zoned.Limits{MaxOpen: 2}, 256},
	{"active limit alone", 256, 255, 3, zoned.Limits{MaxActive: 3, MaxAppend: 16 * 512}, 64},
	{"no limits", 256, 200, 1, zoned.Limits{}, 64},
}

func TestEmulator(t *testing.T) {
	var ran []string
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			zones := uint64(zonetest.MinZones(s.limits)) + s.conventional
			g := zoned.Geometry{Size: zones * s.size * 512, ZoneSize: s.size * 512, ZoneCapacity: s.capacity * 512, Conventional: uint32(s.conventional)}
			e, err := newEmulator(g, s.limits, 512, s.maxIO*512)
			if err != nil {
				t.Fatal(err)
			}
			ran = append(ran, zonetest.Run(t, e)...)
		})
	}
	for _, c := range zonetest.Cases() {
		if !slices.Contains(ran, c.Name) {
			t.Errorf("%s never ran", c.Name)
		}
	}
}

// TestNames: a case has a name of its own.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range zonetest.Cases() {
		if seen[c.Name] || c.Name != strings.ToLower(c.Name) || !strings.Contains(c.Name, "/") || strings.ContainsAny(c.Name, " _") {
			t.Errorf("%q is no good name, or there twice", c.Name)
		}
		seen[c.Name] = true
	}
}

// TestCellsAreComplete: there is a case for each cell of the state machine, and
// the documentation shows the same cells.
func TestCellsAreComplete(t *testing.T) {
	names := map[string]bool{}
	for _, c := range zonetest.Cases() {
		names[c.Name] = true
	}
	for op := zoned.OpRead; op <= zoned.OpReset; op++ {
		for _, c := range zoned.Conditions {
			if _, ok := zoned.Lookup(op, c); ok && !names["cell/"+op.String()+"/"+c.String()] {
				t.Errorf("no case for %s of a zone that is %s", op, c)
			}
		}
	}
	page, err := os.ReadFile("../../docs/zone-rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- begin cells -->\n```")
	cells, _, _ := strings.Cut(rest, "```")
	if diff := cmp.Diff(cells, zonetest.Cells); diff != "" {
		t.Errorf("docs/zone-rules.md has other cells: %s", diff)
	}
}
