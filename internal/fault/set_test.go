// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func zone(i uint32) *uint32 { return &i }

// at is a request of one zone of 1 MiB.
func at(op Op, off, n uint64) Request {
	return Request{Op: op, First: uint32(off >> 20), Last: uint32(off >> 20), Off: off, Bytes: n, Block: 4096}
}

// TestRulesFit: a rule meets the requests that it names, and no other.
func TestRulesFit(t *testing.T) {
	for _, c := range []struct {
		name string
		rule Rule
		q    Request
		met  bool
	}{
		{"its op", Rule{Op: Write}, at(Write, 0, 4096), true},
		{"another op", Rule{Op: Write}, at(Append, 0, 4096), false},
		{"its zone", Rule{Op: Read, Zone: zone(2)}, at(Read, 2<<20, 512), true},
		{"another zone", Rule{Op: Read, Zone: zone(2)}, at(Read, 3<<20, 512), false},
		{"all zones", Rule{Op: Reset, Zone: zone(2)}, Request{Op: Reset, First: 1, Last: 7, Off: 1 << 20, Block: 512}, true},
		{"zones above", Rule{Op: Reset, Zone: zone(0)}, Request{Op: Reset, First: 1, Last: 7, Off: 1 << 20, Block: 512}, false},
		{"first sector", Rule{Op: Read, Start: 8, Sectors: 8}, at(Read, 7*512, 1024), true},
		{"below its sectors", Rule{Op: Read, Start: 8, Sectors: 8}, at(Read, 7*512, 512), false},
		{"last sector", Rule{Op: Read, Start: 8, Sectors: 8}, at(Read, 15*512, 512), true},
		{"above its sectors", Rule{Op: Read, Start: 8, Sectors: 8}, at(Read, 16*512, 512), false},
		{"no length", Rule{Op: Open, Start: 2048, Sectors: 1}, at(Open, 1<<20, 0), true},
		{"flush", Rule{Op: Flush}, Request{Op: Flush, Last: 7, Block: 512}, true},
	} {
		c.rule.Status = "ENOSPC"
		if err := c.rule.Check(8, 8<<20); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		s, _ := (*Set)(nil).With(c.rule)
		hit := s.Decide(c.q)
		if (hit != nil) != c.met {
			t.Errorf("%s: %+v", c.name, hit)
		}
		if hit != nil && (hit.Err.No != unix.ENOSPC || hit.Err.ID != 1 || hit.Torn != 0 || hit.Delay != 0) {
			t.Errorf("%s: %+v, %v", c.name, hit, hit.Err)
		}
	}
}

// TestBadRules: each is refused by the name of what is wrong.
func TestBadRules(t *testing.T) {
	for want, r := range map[string]Rule{
		`op "trim"`:        {Op: "trim", Status: "EIO"},
		`status "EAGAIN"`:  {Op: Read, Status: "EAGAIN"},
		"needs a status":   {Op: Read},
		"torn":             {Op: Read, Status: "EIO", Torn: true},
		"torn: only":       {Op: Write, DelayMax: time.Second, Torn: true},
		"delay 2s..1s":     {Op: Read, DelayMin: 2 * time.Second, DelayMax: time.Second},
		"above 10s":        {Op: Read, DelayMax: time.Minute},
		"has no place":     {Op: Flush, Status: "EIO", Zone: zone(0)},
		"name one of them": {Op: Read, Status: "EIO", Zone: zone(0), Sectors: 1},
		"zones 0 to 7":     {Op: Read, Status: "EIO", Zone: zone(8)},
		"without":          {Op: Read, Status: "EIO", Start: 1},
		"disk has 16384":   {Op: Read, Status: "EIO", Start: 16384, Sectors: 1},
		"sectors 1":        {Op: Read, Status: "EIO", Start: 1, Sectors: ^uint64(0)},
	} {
		if err := r.Check(8, 8<<20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", &r, err, want)
		}
	}
}

// TestSetsShareCounts: a rule goes on counting when others come and go.
func TestSetsShareCounts(t *testing.T) {
	s, first := (*Set)(nil).With(Rule{Op: Read, Status: "EIO", After: 1, Count: 2})
	s.Decide(at(Read, 0, 512))
	s.Decide(at(Read, 0, 512))
	s, second := s.With(Rule{Op: Read, DelayMin: time.Millisecond, DelayMax: time.Millisecond})
	if hit := s.Decide(at(Read, 0, 512)); hit.Err == nil || hit.Delay != time.Millisecond {
		t.Errorf("both rules: %+v", hit)
	}
	if hit := s.Decide(at(Read, 0, 512)); hit.Err != nil {
		t.Errorf("more than its count: %+v", hit)
	}
	l := s.List()
	if l[0].Seen != 4 || l[0].Met != 2 || l[1].Seen != 2 || l[1].Met != 2 {
		t.Errorf("counts: %+v", l)
	}
	if _, ok := s.Without(7); ok {
		t.Error("a rule that there is not was taken away")
	}
	s, ok := s.Without(first)
	if !ok || len(s.List()) != 1 || s.List()[0].ID != second {
		t.Errorf("without the first: %+v", s.List())
	}
	if _, third := s.With(Rule{Op: Read, Status: "EIO"}); third == first || third == second {
		t.Errorf("number %d was given twice", third)
	}
	if s, _ = s.Without(0); !s.Empty() {
		t.Errorf("cleared: %+v", s.List())
	}
}

// TestSameSeedSameFaults: what becomes of requests follows from seed and order
// alone, chance is what it says, and a torn write keeps whole blocks, not all.
func TestSameSeedSameFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{
			Op: Write, Status: "EIO", Torn: rapid.Bool().Draw(t, "torn"), Seed: rapid.Uint64().Draw(t, "seed"),
			Chance: rapid.Uint64Range(0, 9).Draw(t, "chance"), After: rapid.Uint64Range(0, 20).Draw(t, "after"),
			Count:    rapid.Uint64Range(0, 50).Draw(t, "count"),
			DelayMin: time.Duration(rapid.IntRange(0, 9).Draw(t, "least")), DelayMax: time.Duration(rapid.IntRange(9, 20).Draw(t, "most")),
		}
		run := func(others int) []Hit {
			s, _ := (*Set)(nil).With(r)
			hits := make([]Hit, 1000)
			for k := range hits {
				for range others { // requests that it is not about make no difference
					s.Decide(at(Read, 0, 512))
				}
				n := uint64(1+k%16) * 4096
				hit := s.Decide(at(Write, 0, n))
				if hit == nil {
					continue
				}
				hits[k] = Hit{hit.Delay, nil, hit.Torn}
				if hit.Delay < r.DelayMin || hit.Delay > r.DelayMax || hit.Torn%4096 != 0 || hit.Torn >= n ||
					(hit.Torn > 0) != (r.Torn && n > 4096) || uint64(k) < r.After {
					t.Fatalf("%v: request %d of %d bytes: %+v", &r, k, n, hit)
				}
			}
			met := s.List()[0].Met
			if want := 1000 / max(r.Chance, 1); r.Count == 0 && r.After == 0 && (met < want/2 || met > 2*want) {
				t.Fatalf("%v: met %d of 1000", &r, met)
			}
			if r.Count > 0 && met > r.Count {
				t.Fatalf("%v: met %d", &r, met)
			}
			return hits
		}
		if !slices.Equal(run(0), run(3)) {
			t.Fatal("the same requests met other faults")
		}
	})
}
