// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/zoned"
)

func TestR10_ReportIsTruncated(t *testing.T) {
	d := manyZones(t, 4, zoned.Limits{})
	for _, c := range []struct {
		off  uint64
		n    int
		want []uint64
	}{
		{0, 4, []uint64{0, 8, 16, 24}},
		{0, 5, []uint64{0, 8, 16, 24}},
		{0, 1 << 40, []uint64{0, 8, 16, 24}},
		{0, 3, []uint64{0, 8, 16}},
		{8, 2, []uint64{8, 16}},
		{24, 9, []uint64{24}},
		{0, 0, nil},
	} {
		if diff := cmp.Diff(c.want, starts(d.Report(c.off, c.n))); diff != "" {
			t.Errorf("%d zones from %d: %s", c.n, c.off, diff)
		}
	}
}

func TestR18_ReportChecksItsArguments(t *testing.T) {
	d := manyZones(t, 4, zoned.Limits{})
	for _, c := range []struct {
		off  uint64
		n    int
		want []uint64
	}{
		{31, 9, []uint64{24}}, // starts with the zone that holds the byte
		{9, 1, []uint64{8}},
		{32, 1, nil},
		{1<<64 - 1, 1, nil},
		{0, -1, nil},
		{0, -1 << 62, nil},
	} {
		if diff := cmp.Diff(c.want, starts(d.Report(c.off, c.n))); diff != "" {
			t.Errorf("%d zones from %d: %s", c.n, c.off, diff)
		}
	}
}

func TestReportPastAShortLastZone(t *testing.T) {
	p := newPlayer(t, script{zones: "em em", last: 5})
	if diff := cmp.Diff([]uint64{8}, starts(p.dev.Report(12, 1))); diff != "" {
		t.Error(diff)
	}
	if got := p.dev.Report(13, 1); len(got) != 0 {
		t.Errorf("a report from the first byte past the disk: %v", got)
	}
}

func starts(infos []zoned.Info) []uint64 {
	var all []uint64
	for _, i := range infos {
		all = append(all, i.Start)
	}
	return all
}

func TestR19_ShortLastZoneHasLessCapacity(t *testing.T) {
	for _, c := range []struct{ last, length, capacity uint64 }{
		{1, 1, 1}, {5, 5, 5}, {6, 6, 6}, {7, 7, 6}, {8, 8, 6},
	} {
		geo := zoned.Geometry{Size: 16 + c.last, ZoneSize: 8, ZoneCapacity: 6}
		if got := [3]uint64{uint64(geo.Zones()), geo.Length(2), geo.Capacity(2)}; got != [3]uint64{3, c.length, c.capacity} {
			t.Errorf("last zone of %d bytes: %d zones, length %d, capacity %d", c.last, got[0], got[1], got[2])
		}
		if geo.Length(1) != 8 || geo.Capacity(1) != 6 || geo.WritableEnd(1) != 14 || geo.WritableEnd(2) != 16+c.capacity {
			t.Errorf("last zone of %d bytes changes the others: %+v", c.last, geo)
		}
	}
}

const tib = 1 << 40

func TestR21_Arithmetic64Bit(t *testing.T) {
	geo := zoned.Geometry{Size: 8 * tib, ZoneSize: tib, ZoneCapacity: tib - 4096}
	entries := make([]zoned.Entry, 8)
	for i := range entries {
		entries[i].WP = uint64(i) * tib
	}
	d, err := zoned.New(geo, zoned.Limits{}, slices.Values(entries), nil)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		kind   string
		off, n uint64
		want   zoned.State
	}{
		{"append", 7 * tib, 5 << 32, zoned.State{WP: 7*tib + 5<<32, Condition: zoned.ImplicitOpen}},
		{"write", 7*tib + 5<<32, 4096, zoned.State{WP: 7*tib + 5<<32 + 4096, Condition: zoned.ImplicitOpen}},
		{"finish", 7 * tib, 0, zoned.State{WP: 8*tib - 4096, Condition: zoned.Full}},
		{"reset", 7 * tib, 0, zoned.State{WP: 7 * tib, Condition: zoned.Empty}},
		{"append", 7 * tib, tib - 4096, zoned.State{WP: 8*tib - 4096, Condition: zoned.Full}},
	}
	for _, s := range steps {
		if err := do(t, d, s.kind, nil, s.off, s.n); err != nil {
			t.Fatal(err)
		}
		if got := d.State(7); got != s.want {
			t.Fatalf("%s %d %d: %v, want %v", s.kind, s.off, s.n, got, s.want)
		}
	}
}

func TestR22_AppendBeyondTheLastZone(t *testing.T) {
	runScripts(t, []script{{name: "offsets", zones: "em em", last: 3, text: `
		append a 16 1 -> refused: outside the disk
		append a 11 1 -> refused: outside the disk
		append a 1 1  -> refused: not at the start of a zone
		append a 9 1  -> refused: not at the start of a zone
		append a 0xfffffffffffffff8 1 -> refused: outside the disk
		append a 8 1  -> granted at 8
		open b 16     -> refused: outside the disk
		open b 9      -> refused: not at the start of a zone
		close b 10    -> refused: not at the start of a zone
		close b 12    -> refused: outside the disk
		reset b 9     -> refused: not at the start of a zone
		reset b 11    -> refused: outside the disk
		finish b 7    -> refused: not at the start of a zone
		finish b 99   -> refused: outside the disk`}})
}

func TestR30_OneCapacityForAllZones(t *testing.T) {
	geo := zoned.Geometry{Size: 64, ZoneSize: 8, ZoneCapacity: 6, Conventional: 2}
	for i := range geo.Zones() {
		want := uint64(6)
		if i < 2 {
			want = 8
		}
		if geo.Capacity(i) != want {
			t.Errorf("zone %d has a capacity of %d, want %d", i, geo.Capacity(i), want)
		}
	}
}

// TestR32_GeometryErrors also stands for R34, R35, R36 and R53: a geometry
// that is none is refused in words, at the first limit and not before.
func TestR32_GeometryErrors(t *testing.T) {
	good := zoned.Geometry{Size: 64, ZoneSize: 8, ZoneCapacity: 6, Conventional: 2}
	for _, c := range []struct {
		name   string
		change func(*zoned.Geometry)
		want   string // "" is good
	}{
		{"as it is", func(*zoned.Geometry) {}, ""},
		{"R32 zone size 0", func(g *zoned.Geometry) { g.ZoneSize = 0 }, "zone size is 0: it must be larger than zero"},
		{"disk size 0", func(g *zoned.Geometry) { g.Size = 0 }, "disk size is 0"},
		{"disk of one byte", func(g *zoned.Geometry) { g.Size, g.Conventional = 1, 0 }, ""},
		{"capacity 0", func(g *zoned.Geometry) { g.ZoneCapacity = 0 }, "zone capacity 0"},
		{"capacity 1", func(g *zoned.Geometry) { g.ZoneCapacity = 1 }, ""},
		{"capacity as large as the zone", func(g *zoned.Geometry) { g.ZoneCapacity = 8 }, ""},
		{"capacity above the zone size", func(g *zoned.Geometry) { g.ZoneCapacity = 9 }, "zone capacity 9: must be from 1 to the zone size, 8 bytes"},
		{"R53 zone size no power of two", func(g *zoned.Geometry) { g.ZoneSize = 7 }, ""},
		{"R34 all zones conventional", func(g *zoned.Geometry) { g.Conventional = 8 }, ""},
		{"R34 more conventional zones than zones", func(g *zoned.Geometry) { g.Conventional = 9 }, "conventional zones 9: the disk has only 8"},
		{"R35 zone size of 64 bits", func(g *zoned.Geometry) {
			*g = zoned.Geometry{Size: 1<<63 - 1, ZoneSize: 1<<63 - 1, ZoneCapacity: 1}
		}, ""},
		{"R35 disk size past 63 bits", func(g *zoned.Geometry) { g.Size, g.ZoneSize = 1<<63, 1<<62 }, "2^63-1"},
		{"R35 zone size past 63 bits", func(g *zoned.Geometry) { g.ZoneSize = 1 << 63 }, "2^63-1"},
		{"R36 2^32-1 zones", func(g *zoned.Geometry) { g.Size = 8 * (1<<32 - 1) }, ""},
		{"R36 2^32 zones", func(g *zoned.Geometry) { g.Size = 8*(1<<32-1) + 1 }, "more than 2^32-1 zones"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := good
			c.change(&g)
			err := g.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestR36_ZoneCount(t *testing.T) {
	for _, c := range []struct {
		size, zone uint64
		want       uint32
	}{
		{8, 8, 1}, {9, 8, 2}, {7, 8, 1}, {16, 8, 2}, {8 * (1<<32 - 1), 8, 1<<32 - 1}, {1<<63 - 1, 1<<63 - 1, 1}, {1<<63 - 1, 1 << 62, 2},
	} {
		if got := (zoned.Geometry{Size: c.size, ZoneSize: c.zone}).Zones(); got != c.want {
			t.Errorf("%d bytes in zones of %d: %d zones, want %d", c.size, c.zone, got, c.want)
		}
	}
}

func TestR66_ShortLastZone(t *testing.T) {
	script := script{name: "reset, report and fill it", zones: "em em cl:2", last: 5, text: `
		write a 18 4 -> refused: outside the disk
		write a 18 3 -> granted
		ok a         -> a ok
		zone 2       -> full 21
		reset b 16   -> granted
		owned b      -> [2]
		ok b         -> b ok
		zone 2       -> empty 16
		write a 16 2 -> granted
		ok a         -> a ok
		reset-all c  -> granted
		owned c      -> [2]
		ok c         -> c ok
		zone 2       -> empty 16`}
	p := newPlayer(t, script)
	want := zoned.Info{Start: 16, Length: 5, Capacity: 5, WP: 18, Condition: zoned.Closed}
	if diff := cmp.Diff([]zoned.Info{want}, p.dev.Report(20, 10)); diff != "" {
		t.Error(diff)
	}
	p.play(script.text)
}
