// SPDX-License-Identifier: Apache-2.0

package output

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Progress
		want []string // what is printed has these
	}{
		{"lines", Progress{every: 0}, []string{"zqublkd: import: 1% of 1G\n", "import: 50% of 1G\n", "import: 100% of 1G\n"}},
		{"lines not due", Progress{every: time.Hour, last: time.Now()}, nil},
		{"quiet", Progress{Quiet: true}, nil},
		{"quiet on a terminal", Progress{Quiet: true, onTerm: true}, nil},
		{"terminal", Progress{onTerm: true}, []string{"\rimport ", "%", "iB/s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			p := c.p
			p.w, p.what = &out, "import"
			p.Bytes(0, 0)
			for done := uint64(0); done <= 1<<30; done += 1 << 20 {
				p.Bytes(done, 1<<30)
			}
			p.End()
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
