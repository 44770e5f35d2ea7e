// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every duration falls into the bucket whose bounds are around it.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Uint64Range(0, 1<<38).Draw(t, "ns")
		k := bucketOf(ns)
		if k > 0 && ns < Bound(k-1) || k < numBuckets-1 && ns >= Bound(k) {
			t.Fatalf("%d ns is in bucket %d, below %d", ns, k, Bound(k))
		}
	})
	if bucketOf(1<<63) != numBuckets-1 {
		t.Error("a very long time")
	}
}

func TestQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []int64
	for range 10000 {
		ns := int64(5000 + r.ExpFloat64()*200_000)
		all = append(all, ns)
		h.Observe(ns)
	}
	slices.Sort(all)
	for _, part := range []float64{0.5, 0.9, 0.99} {
		want := time.Duration(all[int(part*10000)])
		if got := h.Quantile(part); got < want*4/5 || got > want*5/4 {
			t.Errorf("%v: %v, want about %v", part, got, want)
		}
	}
	if (&Histogram{}).Quantile(0.5) != 0 {
		t.Error("of nothing")
	}
}

func TestSinceAndClassic(t *testing.T) {
	var a, b Histogram
	a.Observe(1500)
	b = a
	b.Observe(900)
	b.Observe(1 << 40)
	d := b.Since(&a)
	if d.Count != 2 || d.Buckets[0] != 1 || d.Buckets[numBuckets-1] != 1 {
		t.Errorf("%+v", d)
	}
	if r := a.Since(&b); r != a {
		t.Error("a new daemon's counters are not taken as they are")
	}
	c := b.Classic()
	if c[1024e-9] != 1 || c[2048e-9] != 2 || len(c) != lastPower-firstPower+1 || c[float64(uint64(1)<<lastPower)/1e9] != 2 {
		t.Errorf("%v", c)
	}
}

func TestObserveTakesNoMemory(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(12345) }); n != 0 {
		t.Error(n)
	}
}
