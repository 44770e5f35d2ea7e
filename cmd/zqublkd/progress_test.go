// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name string
		p    progress
		want []string // what is printed has these
	}{
		{"lines", progress{every: 0}, []string{"zqublkd: import: 1% of 1G\n", "import: 50% of 1G\n", "import: 100% of 1G\n"}},
		{"lines not due", progress{every: time.Hour, last: time.Now()}, nil},
		{"quiet", progress{quiet: true}, nil},
		{"quiet on a terminal", progress{quiet: true, onTerm: true}, nil},
		{"terminal", progress{onTerm: true}, []string{"\rimport ", "%", "GiB/s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			p := c.p
			p.w, p.what = &out, "import"
			p.bytes(0, 0)
			for done := uint64(0); done <= 1<<30; done += 1 << 20 {
				p.bytes(done, 1<<30)
			}
			p.end()
			if len(c.want) == 0 && out.Len() > 0 {
				t.Errorf("printed %q", out.String())
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("printed %q, want %q", out.String(), want)
				}
			}
			if n := strings.Count(out.String(), "%"); n > 110 {
				t.Errorf("%d percentages for 1024 steps", n)
			}
		})
	}
}

// Import and export say how far they are, up to the end.
func TestProgressIsTold(t *testing.T) {
	dir := t.TempDir()
	raw, image, out := filepath.Join(dir, "raw"), filepath.Join(dir, "i.qcow2"), filepath.Join(dir, "o.qcow2")
	if err := os.WriteFile(raw, bytes.Repeat([]byte{1}, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	old := lineEvery
	lineEvery = 0
	defer func() { lineEvery = old }()
	for _, args := range [][]string{{"import", "-o", "zone.size=1M", raw, image}, {"export", image, out}} {
		text := mustRun(t, args...)
		if !strings.Contains(text, "zqublkd: "+args[0]+": 100% of 9M\n") || strings.Count(text, "%") < 3 {
			t.Errorf("%v said %q", args, text)
		}
		os.Remove(out)
	}
	if text := mustRun(t, "check", image); !strings.Contains(text, "zqublkd: check: 100% of 64K\n") {
		t.Errorf("check said %q", text)
	}
	for _, args := range [][]string{{"import", "-q", "--force", "-o", "zone.size=1M", raw, image}, {"export", "-q", image, out}, {"check", "-q", image}, {"create", "-q", "--force", image, "1M"}} {
		if text := mustRun(t, args...); text != "" {
			t.Errorf("%v said %q", args, text)
		}
	}
}
