// SPDX-License-Identifier: Apache-2.0

package zoned

import (
	"errors"
	"testing"
)

// TestSetConditionInFlight: of a zone that degrades under writes in flight, those
// that have landed are answered at once, the others when their I/O ends, all with the
// new condition as the reason; what waited goes on, and nothing is left behind.
func TestSetConditionInFlight(t *testing.T) {
	for c, rule := range map[Condition]Rule{ReadOnly: RuleReadOnly, Offline: RuleOffline} {
		g := Geometry{Size: 4 << 20, ZoneSize: 1 << 20, ZoneCapacity: 1 << 20}
		entries := func(yield func(Entry) bool) {
			for i := range g.Zones() {
				if !yield(Entry{WP: g.Start(i)}) {
					return
				}
			}
		}
		d, err := New(g, Limits{MaxOpen: 2, MaxActive: 2}, entries, nil)
		if err != nil {
			t.Fatal(err)
		}
		var ops [4]Op
		for k := range ops[:3] {
			if v, err := d.BeginWrite(&ops[k], uint64(k)*4096, 4096); v != Granted {
				t.Fatal(v, err)
			}
		}
		d.EndWrite(&ops[0], nil)
		if list := d.EndWrite(&ops[2], nil); list != nil { // landed above one that has not
			t.Fatalf("answered: %+v", list)
		}
		if v, _ := d.BeginReset(&ops[3], 0); v != Parked {
			t.Fatal(v)
		}
		list, ok := d.SetCondition(0, c)
		var e *Error
		if !ok || list != &ops[2] || list.Next() != nil || !errors.As(list.Err, &e) || e.Rule != rule || e.Condition != c {
			t.Fatalf("%v: the landed write: %+v", c, list)
		}
		list = d.EndWrite(&ops[1], nil)
		if list != &ops[1] || !errors.As(list.Err, &e) || e.Rule != rule {
			t.Fatalf("%v: the write in flight: %+v", c, list)
		}
		if list = list.Next(); list != &ops[3] || list.Outcome != Retry {
			t.Fatalf("%v: the reset that waited: %+v", c, list)
		}
		if v, _ := d.BeginReset(&ops[3], 0); v != Refused {
			t.Errorf("%v: reset: %v", c, v)
		}
		if s := d.State(0); s != (State{WP: 4096, Condition: c}) || d.Open() != 0 || d.Active() != 0 {
			t.Errorf("%v: %+v, %d open, %d active", c, s, d.Open(), d.Active())
		}
		if _, ok := d.SetCondition(0, NotWP); !ok || d.State(0).Condition != Closed || d.Active() != 1 {
			t.Errorf("%v: normal again: %+v, %d active", c, d.State(0), d.Active())
		}
		if v, err := d.BeginWrite(&ops[0], 4096, 4096); v != Granted {
			t.Errorf("%v: write: %v %v", c, v, err)
		}
		d.EndWrite(&ops[0], nil)
	}
}

// TestSetConditionOwned: a reset under way keeps its zone from degrading.
func TestSetConditionOwned(t *testing.T) {
	g := Geometry{Size: 1 << 20, ZoneSize: 1 << 20, ZoneCapacity: 1 << 20}
	d, err := New(g, Limits{}, func(yield func(Entry) bool) { yield(Entry{WP: 4096}) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	var op Op
	if v, err := d.BeginReset(&op, 0); v != Granted {
		t.Fatal(v, err)
	}
	if _, ok := d.SetCondition(0, Offline); ok {
		t.Error("a zone that is being reset has degraded")
	}
	d.EndReset(&op, nil)
	if _, ok := d.SetCondition(0, Offline); !ok || d.State(0).Condition != Offline {
		t.Errorf("after it: %+v", d.State(0))
	}
	if list, ok := d.SetCondition(0, Offline); !ok || list != nil || d.State(0).Condition != Offline {
		t.Errorf("once more: %+v", d.State(0))
	}
}
