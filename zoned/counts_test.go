// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"slices"
	"testing"

	"zqublkd/zoned"
)

// TestCounts: what has been done to zones is counted, and what was refused or failed is not.
func TestCounts(t *testing.T) {
	one := zoned.Limits{MaxOpen: 1}
	write := func(off uint64, err error) func(*holdersRig) {
		return func(r *holdersRig) {
			var op zoned.Op
			if v, _ := r.BeginWrite(&op, off, 1); v == zoned.Granted {
				r.EndWrite(&op, err)
			}
		}
	}
	appended := func(r *holdersRig) {
		var op zoned.Op
		if v, err := r.BeginAppend(&op, 8, 3); v != zoned.Granted {
			t.Errorf("append: %v", err)
		}
		r.EndWrite(&op, nil)
	}
	reset := func(end error) func(*holdersRig) {
		return func(r *holdersRig) {
			var op zoned.Op
			if v, err := r.BeginReset(&op, 8); v != zoned.Granted {
				t.Errorf("reset: %v", err)
			}
			r.EndReset(&op, end)
		}
	}
	finish := func(r *holdersRig) {
		var op zoned.Op
		if v, err := r.BeginFinish(&op, 8); v != zoned.Granted {
			t.Errorf("finish: %v", err)
		}
		r.EndFinish(&op, nil)
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		limits zoned.Limits
		do     []func(*holdersRig)
		want   zoned.Counts // of zone 1
	}{
		{"writes", zoned.Limits{}, []func(*holdersRig){write(8, nil), write(9, nil)}, zoned.Counts{Bytes: 2}},
		{"refused", zoned.Limits{}, []func(*holdersRig){write(9, nil)}, zoned.Counts{}},
		{"failed", zoned.Limits{}, []func(*holdersRig){write(8, broken)}, zoned.Counts{}},
		{"append", zoned.Limits{}, []func(*holdersRig){appended, write(11, nil)}, zoned.Counts{Bytes: 4, Appends: 1}},
		{"reset", zoned.Limits{}, []func(*holdersRig){write(8, nil), reset(nil)}, zoned.Counts{Bytes: 1, Resets: 1}},
		{"failed reset", zoned.Limits{}, []func(*holdersRig){write(8, nil), reset(broken)}, zoned.Counts{Bytes: 1}},
		{"finish", zoned.Limits{}, []func(*holdersRig){write(8, nil), finish}, zoned.Counts{Bytes: 1, Finishes: 1}},
		{"eviction", one, []func(*holdersRig){write(8, nil), write(16, nil), write(9, nil)}, zoned.Counts{Bytes: 2, Evictions: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHoldersRig(t, 4, c.limits)
			for _, do := range c.do { // nobody counts: nothing goes wrong
				do(r)
			}
			r = newHoldersRig(t, 4, c.limits)
			before := zoned.Counts{Resets: 7, Finishes: 7, Bytes: 7, Appends: 7, Evictions: 7}
			r.KeepCounts(slices.Repeat([]zoned.Counts{before}, 4))
			for _, do := range c.do {
				do(r)
			}
			got := r.Counts(1)
			got = zoned.Counts{Resets: got.Resets - 7, Finishes: got.Finishes - 7, Bytes: got.Bytes - 7, Appends: got.Appends - 7, Evictions: got.Evictions - 7}
			if got != c.want {
				t.Errorf("counted %+v, want %+v", got, c.want)
			}
		})
	}
}
