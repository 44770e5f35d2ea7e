// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"testing"

	"zqublkd/zoned"
)

// TestConditionCodes holds codes and names against include/uapi/linux/blkzoned.h
// and the letters that blkzone(8) prints.
func TestConditionCodes(t *testing.T) {
	want := []struct {
		code         uint8
		name, short  string
		open, active bool
	}{
		{0x0, "not-write-pointer", "nw", false, false},
		{0x1, "empty", "em", false, false},
		{0x2, "implicit-open", "oi", true, true},
		{0x3, "explicit-open", "oe", true, true},
		{0x4, "closed", "cl", false, true},
		{0xd, "read-only", "ro", false, false},
		{0xe, "full", "fu", false, false},
		{0xf, "offline", "of", false, false},
		{0x9, "condition-0x9", "??", false, false},
	}
	for k, w := range want {
		c := zoned.Condition(w.code)
		if c.String() != w.name || c.Short() != w.short || c.Open() != w.open || c.Active() != w.active {
			t.Errorf("%#x: %s, %s, open %t, active %t", w.code, c, c.Short(), c.Open(), c.Active())
		}
		if k < len(want)-1 && zoned.Conditions[k] != c {
			t.Errorf("Conditions lists %s where %s should be", zoned.Conditions[k], c)
		}
	}
	if len(zoned.Conditions) != len(want)-1 {
		t.Errorf("Conditions lists %d", len(zoned.Conditions))
	}
}

func TestNamesOfNothing(t *testing.T) {
	for want, got := range map[string]string{
		"rule-0":        zoned.Rule(0).String(),
		"rule-200":      zoned.Rule(200).String(),
		"operation-200": zoned.Operation(200).String(),
		"evict":         zoned.OpEvict.String(),
		"read":          zoned.OpRead.String(),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	n := len(zoned.Operations())
	if s := zoned.Operation(n).String(); s != "operation-9" {
		t.Errorf("operation %d is %s", n, s)
	}
	rules := zoned.Rules()
	if s := (rules[len(rules)-1] + 1).String(); s != "rule-14" {
		t.Errorf("the rule after the last one is %s", s)
	}
}
