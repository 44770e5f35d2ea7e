// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"strings"
	"testing"
	"time"

	"zqublkd/ublk"
)

// TestErrorsNameHolders: who is refused for want of a slot is told who has them,
// and when these were written.
func TestErrorsNameHolders(t *testing.T) {
	s := newSim(t, newImage(t, small()), 1, 4)
	defer s.close()
	began := time.Now().Add(-tick)
	for zone := uint64(1); zone <= 3; zone++ {
		must(t, "write", s.write(zone*testZone, pattern(zone, 4096)))
		must(t, "open", s.do(ublk.OpZoneOpen, 0, zone*testZone, 0, nil).errno())
	}
	if errno := s.write(4*testZone, pattern(4, 4096)); errno == 0 {
		t.Fatal("a fourth zone was opened, three are allowed")
	}
	list := s.disk.LastErrors()
	e := list[len(list)-1]
	if e.Rule != "too many open zones" || len(e.Holders) != 3 ||
		!strings.Contains(e.Text, "; held by zone 1 (explicit-open for ") {
		t.Fatalf("%+v", e)
	}
	for k, h := range e.Holders {
		if int(h.Zone) != k+1 || h.Written.Before(began) || h.Written.After(time.Now()) || h.Since.Before(began) {
			t.Errorf("holder %+v", h)
		}
	}
}
