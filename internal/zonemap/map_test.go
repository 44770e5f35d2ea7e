// SPDX-License-Identifier: Apache-2.0

package zonemap

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/zoned"
)

var update = flag.Bool("update", false, "write the golden files anew")

// disk is one of every condition, with a capacity below the zone size.
func disk() []zoned.Info {
	const size, capacity = 16 << 20, 12 << 20
	var list []zoned.Info
	add := func(c zoned.Condition, written uint64) {
		start := uint64(len(list)) * size
		z := zoned.Info{Start: start, Length: size, Capacity: capacity, WP: start + written, Condition: c}
		if c == zoned.NotWP {
			z.Capacity, z.Conventional = size, true
		}
		list = append(list, z)
	}
	add(zoned.NotWP, 0)
	add(zoned.NotWP, 0)
	for i := range uint64(9) {
		add(zoned.ImplicitOpen, i*capacity/8)
	}
	for _, c := range []zoned.Condition{zoned.ExplicitOpen, zoned.Closed, zoned.ReadOnly, zoned.Offline} {
		add(c, capacity/2)
	}
	add(zoned.Full, capacity)
	for len(list) < 70 {
		add(zoned.Empty, 0)
	}
	return list
}

func many(n int) []zoned.Info {
	list := make([]zoned.Info, n)
	for i := range list {
		list[i] = zoned.Info{Start: uint64(i) << 20, Length: 1 << 20, Capacity: 1 << 20, WP: uint64(i) << 20, Condition: zoned.Empty}
	}
	list[n-1].Condition = zoned.Offline
	return list
}

func TestGolden(t *testing.T) {
	marked := New(disk(), zoned.Limits{MaxOpen: 12, MaxActive: 14})
	marked.Mark(3*16<<20+5, 16<<20)
	text := func(m *Map, o TextOptions) string {
		var b strings.Builder
		if err := m.Text(&b, o); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var picture strings.Builder
	if err := marked.SVG(&picture, `a <"name"> & more`); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"plain":  text(marked, TextOptions{Plain: true}),
		"ascii":  text(marked, TextOptions{Plain: true, ASCII: true}),
		"colour": text(marked, TextOptions{}),
		"narrow": text(marked, TextOptions{Plain: true, Width: 50}),
		"many":   text(New(many(16384), zoned.Limits{}), TextOptions{Plain: true}),
		"svg":    picture.String(),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

// The device that the documentation shows, as the scenario see has left it: its zones, by zones
// --json, and its limits.
const shown = "testdata/shown.json"

var shownLimits = zoned.Limits{MaxOpen: 10, MaxActive: 12}

// TestShown: the pictures of the documentation are what becomes of that device.
func TestShown(t *testing.T) {
	text, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Start, Length, Capacity uint64
		WP                      uint64 `json:"write_pointer"`
		Condition               string
		Conventional, Marked    bool
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	var zones []zoned.Info
	for _, z := range list {
		c := slices.IndexFunc(zoned.Conditions, func(c zoned.Condition) bool { return c.String() == z.Condition })
		if c < 0 {
			t.Fatal(z)
		}
		zones = append(zones, zoned.Info{Start: z.Start, Length: z.Length, Capacity: z.Capacity, WP: z.WP,
			Condition: zoned.Conditions[c], Conventional: z.Conventional})
	}
	m := New(zones, shownLimits)
	for _, z := range list {
		if z.Marked {
			m.Mark(z.Start, z.Length)
		}
	}
	var screen, picture strings.Builder
	if err := errors.Join(m.Text(&screen, TextOptions{Width: 80, Plain: true}), m.SVG(&picture, "ublkb0")); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/see.md")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(screen.String()) {
		want += strings.TrimRight("    "+line, " \n") + "\n"
	}
	if !strings.Contains(string(page), "\n"+want) {
		t.Errorf("docs/see.md has not got\n%s", want)
	}
	const svg = "../../docs/see/zones.svg"
	if *update {
		if err := os.WriteFile(svg, []byte(picture.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(svg); err != nil || string(got) != picture.String() {
		t.Errorf("%v; -update draws %s anew", err, svg)
	}
}

// TestWidth holds every line within the columns asked for.
func TestWidth(t *testing.T) {
	for _, n := range []int{1, 70, 1024, 16384, 1 << 20} {
		for _, width := range []int{40, 80, 200} {
			var b strings.Builder
			New(many(n), zoned.Limits{}).Text(&b, TextOptions{Plain: true, Width: width})
			lines := strings.Split(b.String(), "\n")
			if len(lines) > 40 {
				t.Errorf("%d zones take %d lines", n, len(lines))
			}
			for _, l := range lines[1:] {
				if got := len([]rune(l)); got > width {
					t.Errorf("%d zones on %d columns: %d in %q", n, width, got, l)
				}
			}
		}
	}
}

func TestMark(t *testing.T) {
	m := New(many(8), zoned.Limits{})
	m.Mark(3<<20-1, 2)
	m.Mark(7<<20, 1<<30)
	m.Mark(1<<40, 1)
	if d := cmp.Diff([]int{2, 3, 7}, m.Marked()); d != "" {
		t.Error(d)
	}
}

func TestEmptyMap(t *testing.T) {
	m := New(nil, zoned.Limits{})
	m.Mark(0, 1)
	var b strings.Builder
	if err := m.Text(&b, TextOptions{}); err != nil {
		t.Error(err)
	}
	if err := m.SVG(&b, ""); err != nil {
		t.Error(err)
	}
}
