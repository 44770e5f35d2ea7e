package main

import (
	"strings"
	"testing"
)

func sample() report {
	r := report{Kernel: "6.12.0", Machine: "test", Rounds: 3, Runtime: "1s"}
	for _, x := range []float64{30, 10, 20} {
		r.add("tmpfs", "rand read 4K qd32", ours, measurement{KIOPS: x, CPU: 5})
		r.add("tmpfs", "rand read 4K qd32", "kublk loop", measurement{KIOPS: x / 2})
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
	r := sample()
	var text strings.Builder
	r.tables(&text)
	if want := "| rand read 4K qd32 | 20.0 (5) | 10.0 |"; !strings.Contains(text.String(), want) {
		t.Errorf("no %q in:\n%s", want, text.String())
	}
	if picture := chart(r); !strings.Contains(picture, ">2.00<") || !strings.HasSuffix(picture, "</svg>\n") {
		t.Errorf("the ratio is missing:\n%s", picture)
	}
}

func TestJudge(t *testing.T) {
	const out = `note: something
{"jobs": [{"read": {"iops": 1000, "total_ios": 500, "clat_ns": {"percentile": {"99.000000": 2000}}}, "write": {"iops": 500, "total_ios": 500}}]}`
	m, err := judge([]byte(out), usage{cpu: 2e6, switches: 100, calls: 50})
	if want := (measurement{KIOPS: 1.5, P99: 2, CPU: 2, Switches: 0.1, Calls: 0.05}); err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{"", "no report", `{"jobs": []}`, `{"jobs": [`} {
		if _, err := judge([]byte(bad), usage{}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
