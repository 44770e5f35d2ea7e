// SPDX-License-Identifier: Apache-2.0

package top

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"pgregory.net/rapid"

	"zqublkd/internal/metrics"
	"zqublkd/internal/tally"
)

var update = flag.Bool("update", false, "write the screens anew")

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// busy is a device after some seconds of writes.
func busy(seconds int, zones uint32) metrics.Device {
	var w, r tally.Histogram
	for k := range 300 * seconds {
		w.Observe(int64(100_000 + 1000*(k%300)))
		r.Observe(80_000)
	}
	n := uint64(seconds)
	s := &tally.Stats{
		Time: noon.Add(time.Duration(seconds) * time.Second), Began: noon.Add(-time.Hour), Metered: true,
		Ops: []tally.Op{
			{Op: "read", OK: 300 * n, Bytes: 300 * 4096 * n, Latency: &r},
			{Op: "write", OK: 300 * n, Failed: 2 * n, Bytes: 300 * 65536 * n, Latency: &w},
			{Op: "zone-reset", OK: n},
		},
		Errors: map[string]uint64{"not at the write pointer": n, "too many active zones": n}, Recoveries: 1, Jobs: 2,
		Queues: []tally.Queue{{ID: 0, Depth: 64, InFlight: 5, Waiting: 2, For: []uint32{7, 9}}, {ID: 1, Depth: 64, InFlight: 1, Late: 1}},
		Cache:  tally.Cache{Lookups: 1000 * n, Misses: 10 * n}, Image: tally.Image{Virtual: 512 << 20, File: 200 << 20, Allocated: 123 << 20},
		Zones: zones, Limits: tally.Limits{Open: 3, Active: 4}, Open: 2, Active: 4,
		Holders: []tally.SlotHolder{
			{Zone: 3, Condition: "closed"},
			{Zone: 12, Condition: "explicit-open", Since: noon.Add(-50 * time.Minute)},
			{Zone: 7, Condition: "implicit-open", Since: noon.Add(-90 * time.Second), Written: noon.Add(1500 * time.Millisecond)},
			{Zone: 9, Condition: "closed", Since: noon.Add(-time.Second), Written: noon.Add(time.Second)},
		},
		Detail: &tally.Detail{ZoneSize: 8 << 20, Moved: make([]uint64, zones)},
	}
	for z := range s.Detail.Moved {
		s.Detail.Moved[z] = n * uint64(z%13) * uint64(z%7) * 100_000
	}
	return metrics.Device{Node: "ublkb0", Name: "disk", Image: "/srv/disk.qcow2", Zoned: true, State: "live", Stats: s}
}

func plain(seconds int) metrics.Device {
	d := busy(seconds, 0)
	d.Stats.Holders, d.Stats.Detail, d.Stats.Errors, d.Zoned = nil, nil, nil, false
	return d
}

func at(seconds int, list ...metrics.Device) Sample {
	return Sample{noon.Add(time.Duration(seconds) * time.Second), list}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// The screens as they look; a screen has no more than 80 columns, and its colours
// change no word.
func TestScreens(t *testing.T) {
	hung := metrics.Device{Node: "ublkb1", Name: "other", Image: "/srv/other.qcow2", State: "hung"}
	hostile := busy(2, 4)
	hostile.Name, hostile.Image = "a\x1b[2J\nb", "/srv/"+strings.Repeat("long", 40)
	stuck := busy(2, 64)
	stuck.Stats.Queues[1].Stuck = true
	for name, v := range map[string]View{
		"busy":    Between(at(1, busy(1, 64)), at(2, busy(2, 64))),
		"first":   Between(Sample{}, at(2, busy(2, 64))),
		"many":    Between(at(1, busy(1, 16384)), at(2, busy(2, 16384))),
		"plain":   Between(at(1, plain(1)), at(3, plain(3))),
		"hung":    Between(at(1, hung), at(2, hung)),
		"none":    Between(at(1), at(2)),
		"hostile": Between(at(1, busy(1, 4)), at(2, hostile)),
		"stuck":   Between(at(1, busy(1, 64)), at(2, stuck)),
	} {
		t.Run(name, func(t *testing.T) {
			got := Screen(v, 0, Options{Width: 80})
			for _, line := range strings.Split(got, "\n") {
				if w := lipgloss.Width(line); w > 80 {
					t.Errorf("%d columns: %s", w, line)
				}
			}
			if c := escapes.ReplaceAllString(Screen(v, 0, Options{Width: 80, Colour: true}), ""); strings.TrimSpace(c) != strings.TrimSpace(got) {
				t.Errorf("with colour it says\n%s", c)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%v, got\n%s", err, got)
			}
		})
	}
}

// TestShown: the screen of the documentation is what becomes of a device that was looked at,
// by the scenario see.
func TestShown(t *testing.T) {
	text, err := os.ReadFile("testdata/shown.json")
	if err != nil {
		t.Fatal(err)
	}
	var v View
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/see.md")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(Screen(v, 0, Options{Width: 80})) {
		want += strings.TrimRight("    "+line, " \n") + "\n"
	}
	if !strings.Contains(string(page), "\n"+want) {
		t.Errorf("docs/see.md has not got\n%s", want)
	}
}

// A screen of any size is no larger than it may be.
func TestScreenSize(t *testing.T) {
	v := Between(at(1, busy(1, 700)), at(2, busy(2, 700)))
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Width: rapid.IntRange(1, 200).Draw(t, "width"), Height: rapid.IntRange(1, 60).Draw(t, "height"), Colour: rapid.Bool().Draw(t, "colour")}
		text := Screen(v, 0, o)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > o.Height {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			if lipgloss.Width(l) > o.Width {
				t.Fatalf("%d columns: %q", lipgloss.Width(l), l)
			}
		}
	})
}

func TestBetween(t *testing.T) {
	d := Between(at(1, busy(1, 64)), at(3, busy(3, 64))).Devices[0]
	w := d.Ops[1]
	if w.Op != "write" || w.IOPS != 302 || w.Bytes != 300*65536 || w.Failed != 4 || w.OKTotal != 900 {
		t.Errorf("%+v", w)
	}
	if w.P50 < 200 || w.P50 > 300 || w.P99 < 350 || w.P99 > 450 || d.CacheHits != 0.99 || d.Heat[6] != 2*36*100_000 {
		t.Errorf("%+v, cache %v, heat %v", w, d.CacheHits, d.Heat[6])
	}
	// A new daemon counts from 0: what it has done is of its own time.
	young := busy(1, 64)
	young.Stats.Began = noon.Add(-time.Second)
	d = Between(at(9, busy(9, 64)), at(1, young)).Devices[0]
	if d.Ops[0].IOPS != 150 || d.Seconds != 2 {
		t.Errorf("%+v in %v s", d.Ops[0], d.Seconds)
	}
}

// TestLive presses the keys.
func TestLive(t *testing.T) {
	n := 0
	var fail error
	nodes := []string{"ublkb0", "ublkb1"}
	source := func() (list []metrics.Device, err error) {
		n++
		for _, node := range nodes {
			d := busy(n, 64)
			d.Node = node
			list = append(list, d)
		}
		return list, fail
	}
	var m tea.Model = live{source: source, every: time.Millisecond}
	send := func(msg tea.Msg) tea.Cmd {
		t.Helper()
		next, cmd := m.Update(msg)
		m = next
		return cmd
	}
	shows := func(want string) {
		t.Helper()
		if v := m.View(); !strings.Contains(v.Content, want) || !v.AltScreen {
			t.Errorf("no %q in\n%s", want, v.Content)
		}
	}
	key := func(code rune, text string) tea.Cmd { return send(tea.KeyPressMsg{Code: code, Text: text}) }
	shows("looking")
	send(tea.WindowSizeMsg{Width: 80, Height: 40})
	wait := send(m.Init()())
	shows("ublkb0")
	take := send(wait())
	send(take())
	shows("device 1 of 2")
	key(tea.KeyTab, "")
	shows("device 2 of 2")
	key('n', "n")
	shows("device 1 of 2")
	key(tea.KeyTab, "")
	look := func(left ...string) {
		nodes = left
		send(send(again{})())
	}
	look("ublkb1", "ublkb2") // the one that is watched is another number now
	shows("device 1 of 2")
	shows("ublkb1 disk")
	look("ublkb2")
	shows("ublkb2 disk")
	look()
	shows("no device is served")
	look("ublkb0", "ublkb1")
	shows("device 1 of 2")
	key(tea.KeySpace, " ")
	shows("the clock is stopped")
	if before := n; send(again{})() != (again{}) || n != before {
		t.Error("the clock goes on")
	}
	key(tea.KeySpace, " ")
	fail = errors.New("gone")
	if cmd := send(send(again{})()); cmd == nil || fmt.Sprintf("%T", cmd()) != "tea.QuitMsg" || !errors.Is(m.(live).err, fail) {
		t.Error("an error does not end it")
	}
	if cmd := key('q', "q"); cmd == nil || fmt.Sprintf("%T", cmd()) != "tea.QuitMsg" {
		t.Error("q does not end it")
	}
}
