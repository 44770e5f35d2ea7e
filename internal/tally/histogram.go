// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"math/bits"
	"time"
)

// The buckets: one for all below 1 us, four to each power of two up to 68 s, one
// for all above.
const (
	firstPower = 10 // 1 us, nearly
	lastPower  = 36
	steps      = 4
	numBuckets = 1 + (lastPower-firstPower)*steps + 1
)

// Histogram counts durations.
type Histogram struct {
	Count   uint64             `json:"count"`
	Nanos   uint64             `json:"sum_ns"`
	Buckets [numBuckets]uint64 `json:"buckets"` // Bound says where each ends
}

// Observe counts a duration of ns nanoseconds.
func (h *Histogram) Observe(ns int64) {
	n := uint64(max(ns, 0))
	h.Count++
	h.Nanos += n
	h.Buckets[bucketOf(n)]++
}

func bucketOf(ns uint64) int {
	power := bits.Len64(ns) - 1
	switch {
	case power < firstPower:
		return 0
	case power >= lastPower:
		return numBuckets - 1
	}
	return 1 + (power-firstPower)*steps + int(ns>>(power-2))&(steps-1)
}

// Bound is the duration in nanoseconds that all of bucket k are below; the last has none.
func Bound(k int) uint64 {
	power, step := uint64(firstPower+k/steps), uint64(k%steps)
	return 1<<power + step<<(power-2)
}

// Add adds the counts of o.
func (h *Histogram) Add(o *Histogram) {
	h.Count += o.Count
	h.Nanos += o.Nanos
	for k, n := range o.Buckets {
		h.Buckets[k] += n
	}
}

// Since is what has been counted since h was before. A daemon that began meanwhile
// counts from 0.
func (h *Histogram) Since(before *Histogram) Histogram {
	d := *h
	if h.Count < before.Count {
		return d
	}
	d.Count -= before.Count
	d.Nanos -= before.Nanos
	for k, n := range before.Buckets {
		d.Buckets[k] -= min(n, d.Buckets[k])
	}
	return d
}

// Quantile is the duration that a part of all, from 0 to 1, does not exceed, as exact
// as the buckets are (a fifth); 0 if there are none.
func (h *Histogram) Quantile(part float64) time.Duration {
	want := part * float64(h.Count)
	var below uint64
	for k, n := range h.Buckets {
		if n == 0 || float64(below+n) < want {
			below += n
			continue
		}
		low := 0.0
		if k > 0 {
			low = float64(Bound(k - 1))
		}
		if k == numBuckets-1 {
			return time.Duration(low)
		}
		in := (want - float64(below)) / float64(n)
		return time.Duration(low + in*(float64(Bound(k))-low))
	}
	return 0
}

// Classic is the histogram in the form of Prometheus: how many are below each power
// of two, in seconds.
func (h *Histogram) Classic() map[float64]uint64 {
	out := make(map[float64]uint64, lastPower-firstPower+1)
	var sum uint64
	for k, n := range h.Buckets[:numBuckets-1] {
		sum += n
		if k%steps == 0 {
			out[float64(Bound(k))/1e9] = sum
		}
	}
	return out
}
