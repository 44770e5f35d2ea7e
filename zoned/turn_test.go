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
			func(op *zoned.Op) { r.BeginRead(op, 0, 1) },
		} {
			var op zoned.Op
			do(&op)
			got = append(got, op.Turn)
		}
		return got
	}
	none := []uint64{0, 0, 0, 0}
	if got := turns(); !slices.Equal(got, none) {
		t.Errorf("nobody counts: %v", got)
	}
	n := new(atomic.Uint64)
	n.Store(6)
	r.CountTurns(n)
	if got := turns(); !slices.Equal(got, []uint64{7, 8, 9, 0}) || n.Load() != 9 {
		t.Errorf("%v, counted %d", got, n.Load())
	}
	r.CountTurns(nil)
	if got := turns(); !slices.Equal(got, none) {
		t.Errorf("nobody counts any more: %v", got)
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
