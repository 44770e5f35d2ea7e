// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw the picture of the documentation anew")

// The answers that the picture of the documentation was drawn of, and the picture.
const (
	answers = "testdata/graphs.json"
	shown   = "../../docs/see/graphs.svg"
)

// TestShown: the picture is what is drawn of answers to all queries of the dashboard.
func TestShown(t *testing.T) {
	in, err := os.Open(answers)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var got strings.Builder
	if err := run(in, &got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(shown, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(shown)
	if err != nil || string(want) != got.String() {
		t.Errorf("%v; -update draws it anew", err)
	}
	var panels []panel
	if text, err := os.ReadFile(answers); err != nil || json.Unmarshal(text, &panels) != nil {
		t.Fatal(err)
	}
	for _, p := range panels {
		if len(p.Series) > len(looks) {
			t.Errorf("%s: %d lines, and looks for %d", p.Title, len(p.Series), len(looks))
		}
	}
	for _, title := range titles(t, "../../contrib/grafana/zqublkd.json", "panels") {
		if !strings.Contains(string(want), ">"+title+"<") {
			t.Errorf("the dashboard has a panel %q, the picture none", title)
		}
	}
}

// titles are those of the panels in a file.
func titles(t *testing.T, path, field string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]json.RawMessage
	var panels []panel
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d[field], &panels); err != nil || len(panels) == 0 {
		t.Fatal(err)
	}
	for _, p := range panels {
		list = append(list, p.Title)
	}
	return list
}

func TestDraw(t *testing.T) {
	got := draw([]panel{
		{Title: "a <b>", Unit: "Bps", Series: []series{
			{Name: "ublkb0 write", Points: []point{{0, 0}, {1, 1.5e6}, {2, 3e6}, {40, 1e6}}},
			{Name: "ublkb0 read", Points: []point{{40, 2e6}}},
		}},
		{Title: "nothing", Unit: "s", Series: []series{{Name: "idle", Points: []point{{0, 0}}}}},
		{Title: "third", Series: []series{{Name: "not there"}}},
	})
	d := xml.NewDecoder(strings.NewReader(got))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		">a &lt;b&gt;<", ">4 MB/s<", ">1 MB/s<", ">ublkb0 read<", `points="82.0,156.0 91.8,111.0 101.5,66.0 "`, ">30 s<", `points="472.0,126.0 "`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
		t.Error(got)
	}
}

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		n    float64
		unit string
		want string
	}{
		{0, "s", "0 s"}, {0.00025, "s", "250 µs"}, {0.02, "s", "20 ms"}, {60, "s", "60 s"}, {1500, "reqps", "1.5k/s"},
		{1 << 30, "bytes", "1 GiB"}, {0.5, "percentunit", "50 %"}, {48, "short", "48"}, {0, "Bps", "0 B/s"},
	} {
		if got := amount(c.n, c.unit); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.n, c.unit, got, c.want)
		}
	}
}

// TestLooks: no two lines of a panel look alike in black and white.
func TestLooks(t *testing.T) {
	var dashes []string
	for _, l := range looks {
		if slices.Contains(dashes, l.dashes) {
			t.Errorf("two lines with dashes %q", l.dashes)
		}
		dashes = append(dashes, l.dashes)
	}
}
