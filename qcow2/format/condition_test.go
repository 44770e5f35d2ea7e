// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever is set in whatever order, each zone has what it was given last, the
// list is as short as can be, and it reads back as it is.
func TestConditionList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list ConditionList
		var want [24]ZoneCondition
		for range rapid.IntRange(0, 12).Draw(t, "changes") {
			first := rapid.IntRange(0, 23).Draw(t, "first")
			n := rapid.IntRange(0, 24-first).Draw(t, "zones")
			c := rapid.SampledFrom([]ZoneCondition{ZoneNormal, ZoneReadOnly, ZoneOffline}).Draw(t, "condition")
			list = list.With(ConditionRun{uint32(first), uint32(n), c})
			for k := first; k < first+n; k++ {
				want[k] = c
			}
		}
		runs := 0
		for k, c := range want {
			if got := list.At(uint32(k)); got != c {
				t.Fatalf("zone %d is %v, want %v: %v", k, got, c, list)
			}
			if c != ZoneNormal && (k == 0 || want[k-1] != c) {
				runs++
			}
		}
		if len(list) != runs {
			t.Fatalf("%d runs, want %d: %v", len(list), runs, list)
		}
		again, err := parseConditions(list.encode())
		if diff := cmp.Diff(list, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}

// words makes the bytes of a list.
func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func TestParseConditionsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"half a run":        {words(1, 1, 0xf, 2), "16 bytes, no multiple of 12"},
		"no condition":      {words(1, 1, 0xe), "zone 1 the condition 0xe, which none is"},
		"normal":            {words(1, 1, 0), "the condition 0x0"},
		"condition's width": {words(1, 1, 0x10f), "the condition 0x10f"},
		"no zones":          {words(1, 0, 0xf), "out of order at zone 1"},
		"overlap":           {words(1, 3, 0xf, 3, 1, 0xd), "out of order at zone 3"},
		"falling":           {words(5, 1, 0xf, 3, 1, 0xd), "out of order at zone 3"},
		"behind the last":   {words(5, 1<<32-6, 0xf, 7, 1, 0xd), "out of order at zone 7"},
		"too many":          {words(5, 1<<32-4, 0xf), "up to zone 4294967296"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConditions(c.b)
			mustSay(t, err, ErrCorrupt, c.says)
		})
	}
}

func TestConditionNames(t *testing.T) {
	for c, want := range map[ZoneCondition]string{ZoneNormal: "normal", ZoneReadOnly: "read-only", ZoneOffline: "offline", 3: "condition 0x3"} {
		if got := c.String(); got != want {
			t.Errorf("%d is %q, want %q", uint8(c), got, want)
		}
	}
}

func FuzzConditions(f *testing.F) {
	f.Add(ConditionList{{1, 2, ZoneOffline}, {3, 1, ZoneReadOnly}}.encode())
	f.Add(ConditionList{{1<<32 - 1, 1<<32 - 1, ZoneOffline}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseConditions(b)
		if err != nil {
			return
		}
		if diff := cmp.Diff(b, list.encode()); len(b) > 0 && diff != "" {
			t.Fatal(diff)
		}
		for _, r := range list {
			if list.At(r.First) != r.Condition || list.At(uint32(r.End()-1)) != r.Condition {
				t.Fatalf("%v is not in its own list", r)
			}
		}
	})
}
