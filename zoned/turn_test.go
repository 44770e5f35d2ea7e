// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"zqublkd/zoned"
)

// Requests that are judged have turns, one after the other, as long as somebody counts.
func TestTurns(t *testing.T) {
	r := newHoldersRig(t, 4, zoned.Limits{})
	turns := func() (got []uint64) {
		for _, do := range []func(*zoned.Op){
			func(op *zoned.Op) {
				r.BeginWrite(op, 8, 1)
				r.EndWrite(op, nil)
			},
			func(op *zoned.Op) { r.BeginWrite(op, 17, 1) }, // refused, but judged
			func(op *zoned.Op) { r.BeginOpen(op, 16) },
			func(op *zoned.Op) { r.BeginClose(op, 16) },
			func(op *zoned.Op) {
				r.BeginFinish(op, 8)
				r.EndFinish(op, nil)
			},
			func(op *zoned.Op) {
				r.BeginReset(op, 8)
				r.EndReset(op, nil)
			},
			func(op *zoned.Op) { r.BeginRead(op, 0, 1) },
		} {
			var op zoned.Op
			do(&op)
			got = append(got, op.Turn)
		}
		return got
	}
	none := make([]uint64, 7)
	if got := turns(); !slices.Equal(got, none) {
		t.Errorf("nobody counts: %v", got)
	}
	n := new(atomic.Uint64)
	n.Store(6)
	r.CountTurns(n)
	if got := turns(); !slices.Equal(got, []uint64{7, 8, 9, 10, 12, 14, 0}) || n.Load() != 14 {
		t.Errorf("%v, counted %d", got, n.Load())
	}
	r.CountTurns(nil)
	if got := turns(); !slices.Equal(got, none) {
		t.Errorf("nobody counts any more: %v", got)
	}
}

// A write that fills its zone counts when it ends: until then the slot is taken.
func TestTurnOfFill(t *testing.T) {
	r := newHoldersRig(t, 4, zoned.Limits{MaxActive: 1})
	r.CountTurns(new(atomic.Uint64))
	var fill, refused, granted zoned.Op
	if v, err := r.BeginWrite(&fill, 8, 8); v != zoned.Granted {
		t.Fatal(v, err)
	}
	if v, _ := r.BeginWrite(&refused, 16, 1); v != zoned.Refused {
		t.Fatal("there was a slot")
	}
	r.EndWrite(&fill, nil)
	if v, err := r.BeginWrite(&granted, 16, 1); v != zoned.Granted {
		t.Fatal(v, err)
	}
	r.EndWrite(&granted, nil)
	if !(refused.Turn < fill.Turn && fill.Turn < granted.Turn) {
		t.Errorf("refused in turn %d, filled in %d, granted in %d", refused.Turn, fill.Turn, granted.Turn)
	}
}

func TestVisit(t *testing.T) {
	r := newHoldersRig(t, 3, zoned.Limits{}, zoned.Closed)
	if err := r.write(8); err != nil {
		t.Fatal(err)
	}
	var got []zoned.State
	r.Visit(func(zone uint32, s zoned.State) {
		if int(zone) != len(got) {
			t.Errorf("zone %d comes after %d others", zone, len(got))
		}
		got = append(got, s)
	})
	want := []zoned.State{{WP: 1, Condition: zoned.Closed}, {WP: 9, Condition: zoned.ImplicitOpen}, {WP: 16, Condition: zoned.Empty}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
