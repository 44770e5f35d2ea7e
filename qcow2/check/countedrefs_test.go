// SPDX-License-Identifier: Apache-2.0

package check

import (
	"testing"

	"pgregory.net/rapid"

	"zqublkd/qcow2/format"
)

func TestRefCount(t *testing.T) {
	u := newRefCounts(1 << 20)
	u.add(5, 1, format.KindL2, 1)
	u.add(5, 1, format.KindData, 1<<40)
	got := u.get(5)
	if !got.saturated() || got.kinds() != format.KindL2|format.KindData || !got.misused() {
		t.Errorf("%#x", got)
	}
	if got.kinds().String() != "L2 table and guest data" {
		t.Error(got.kinds())
	}
	if u.get(1<<50) != 0 || u.get(4) != 0 {
		t.Error("untouched clusters have counts")
	}
}

// Runs of clusters, however they overlap and in whatever order they are found,
// come to what counting each cluster by itself does.
func TestRefCountsAreThoseOfEachCluster(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const clusters = 64
		u := newRefCounts(1 << 20)
		var want [clusters]refCount
		for range rapid.IntRange(0, 60).Draw(rt, "claims") {
			first := rapid.Uint64Range(0, clusters-1).Draw(rt, "first")
			n := rapid.Uint64Range(1, min(clusters-first, 9)).Draw(rt, "n")
			kind := format.ClusterKind(1) << rapid.IntRange(0, format.ClusterKindBits-1).Draw(rt, "use")
			times := rapid.Uint64Range(1, 3).Draw(rt, "times")
			u.add(first, n, kind, times)
			for c := first; c < first+n; c++ {
				want[c] = want[c].plus(newRefCount(kind, times))
			}
			if rapid.Bool().Draw(rt, "look") {
				c := rapid.Uint64Range(0, clusters-1).Draw(rt, "cluster")
				if got := u.get(c); got != want[c] {
					rt.Fatalf("cluster %d: %#x, want %#x", c, got, want[c])
				}
			}
		}
		for c := range uint64(clusters) {
			if got := u.get(c); got != want[c] {
				rt.Fatalf("cluster %d: %#x, want %#x", c, got, want[c])
			}
		}
		from, to := rapid.Uint64Range(0, clusters).Draw(rt, "from"), rapid.Uint64Range(0, clusters).Draw(rt, "to")
		next := from
		u.eachIn(from, to, func(c uint64, found refCount) {
			for ; next < c; next++ {
				if want[next] != 0 {
					rt.Fatalf("cluster %d passed over", next)
				}
			}
			if c >= to || found != want[c] {
				rt.Fatalf("cluster %d: %#x, want %#x", c, found, want[c])
			}
			next = c + 1
		})
		for ; next < to; next++ {
			if want[next] != 0 {
				rt.Fatalf("cluster %d not visited", next)
			}
		}
	})
}
