// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is a boot in which we are twice as fast as kublk loop.
func sample(boots string) report {
	r := report{Boots: []boot{{ID: boots, Rounds: 3}}}
	for _, x := range []float64{30, 10, 20} {
		r.add(tmpfs, read4K, ours, measurement{KIOPS: x, CPU: 5})
		r.add(tmpfs, read4K, "kublk loop", measurement{KIOPS: x / 2})
		r.add(tmpfs, read4K, userCopy, measurement{KIOPS: x})
		r.add(tmpfs, "rand read 4K qd32, 2 jobs", ours+", 2 queues", measurement{KIOPS: x, CPU: 6})
	}
	return r
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name string
		of   []float64
		want float64
	}{
		{"none", nil, 0}, {"one", []float64{7}, 7}, {"odd", []float64{9, 1, 5}, 5}, {"even", []float64{4, 1, 3, 2}, 2.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			var x cell
			for _, v := range c.of {
				x.Rounds = append(x.Rounds, measurement{KIOPS: v})
			}
			if got := x.median(kiops); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestRender(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bench")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := sample("one")
	if err := r.write(filepath.Join(dir, "7.3.json")); err != nil {
		t.Fatal(err)
	}
	if err := render([]string{dir}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "..", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| rand read 4K qd32 | zqublkd | 20 (10 to 30) |  | 5 |",
		"|  | kublk loop | 10 (5 to 15) | 2.00 |",
		"| 1 | zqublkd: rand read 4K qd32 | kublk loop | tmpfs | 7.3 | at least 1.10 | 2.00 (2.00 to 2.00) | met |",
		"| 1.00 (1.00 to 1.00) | **not met** |",
		"| CPU at most 1.15 | 1.20 (1.20 to 1.20) | met |",
		"| at least 0.90 | | not measured |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if picture := chart(r); !strings.Contains(picture, ">2.00<") || !strings.HasSuffix(picture, "</svg>\n") {
		t.Errorf("the ratio is missing:\n%s", picture)
	}
}

// TestGates: a gate that names what is never run would never be judged.
func TestGates(t *testing.T) {
	for _, g := range gates {
		for _, store := range g.stores {
			for _, s := range []side{g.mine, g.peer} {
				if g.kernel != nativeKernel && !runs(store, s) {
					t.Errorf("point %s: %s is not run on %s", g.point, s, store)
				}
			}
		}
	}
}

func runs(store string, s side) bool {
	p, err := parsePlan([]string{"-kernel", "7.3", "-gates"})
	return err == nil && slices.ContainsFunc(workloads, func(w workload) bool {
		return w.name == s.work && slices.ContainsFunc(contenders(store, true), func(c *contender) bool { return c.name == s.who && p.wants(w, c) })
	})
}

// TestMerge: a later boot replaces what it measures anew, and is not compared
// with what it does not.
func TestMerge(t *testing.T) {
	kept, newer := sample("one"), report{Boots: []boot{{ID: "two"}}}
	newer.add(tmpfs, read4K, "kublk loop", measurement{KIOPS: 1})
	kept.take(newer)
	if len(kept.Boots) != 2 || len(kept.Cells) != 4 {
		t.Fatalf("%d boots, %d cells", len(kept.Boots), len(kept.Cells))
	}
	if v, ok := gates[0].judge(kept, tmpfs); ok {
		t.Errorf("boots were mixed: %+v", v)
	}
	kept.take(sample("three"))
	if v, ok := gates[0].judge(kept, tmpfs); !ok || !v.met || len(kept.Boots) != 1 {
		t.Errorf("%+v, %v, %d boots", v, ok, len(kept.Boots))
	}
}

func TestFindBest(t *testing.T) {
	r := report{Boots: []boot{{ID: "one"}}}
	r.add(pageCache, engineRead, qemuBench+" -i threads", measurement{KIOPS: 2})
	r.add(pageCache, engineRead, qemuBench+" -i io_uring", measurement{KIOPS: 3})
	if c, ok := r.find(pageCache, side{qemuBench, engineRead}); !ok || c.median(kiops) != 3 {
		t.Errorf("%+v, %v", c, ok)
	}
}

func TestJudgeFio(t *testing.T) {
	const out = `note: something
{"jobs": [{"read": {"iops": 1000, "total_ios": 500, "clat_ns": {"percentile": {"99.000000": 2000}}}, "write": {"iops": 500, "total_ios": 500}}]}`
	m, err := judgeFio([]byte(out), usage{cpu: 2e6, switches: 100, calls: 50})
	if want := (measurement{KIOPS: 1.5, P99: 2, CPU: 2, Switches: 0.1, Calls: 0.05}); err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{"", "no report", `{"jobs": []}`, `{"jobs": [`} {
		if _, err := judgeFio([]byte(bad), usage{}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
