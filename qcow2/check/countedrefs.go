// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"zqublkd/qcow2/format"
)

// refCount is what was found out about one cluster of the file: bits 0-20 the
// references, bits 21-31 what it serves as.
type refCount uint32

const (
	kindsAt                = 32 - format.ClusterKindBits
	maxReferences refCount = 1<<kindsAt - 1 // references saturate here
)

const (
	// kindReferring are those that hold references to other clusters.
	kindReferring = format.KindHeader | format.KindL1 | format.KindL2 | format.KindSnapshots | format.KindBitmaps |
		format.KindEncryption

	// kindShared are those that may rightly be referenced more than once.
	kindShared = format.KindL2 | format.KindData
)

func newRefCount(u format.ClusterKind, times uint64) refCount {
	return refCount(min(times, uint64(maxReferences))) | refCount(u)<<kindsAt
}

func (t refCount) references() uint64        { return uint64(t & maxReferences) }
func (t refCount) kinds() format.ClusterKind { return format.ClusterKind(t >> kindsAt) }
func (t refCount) saturated() bool           { return t&maxReferences == maxReferences }

// misused tells if the cluster serves as two things that can't share it.
func (t refCount) misused() bool {
	return bits.OnesCount16(uint16(t.kinds())) > 1 || t.kinds()&^kindShared != 0 && t.references() > 1
}

// asWhat continues a sentence with what the cluster serves as, if anything.
func (t refCount) asWhat() string {
	if t.kinds() == 0 {
		return ""
	}
	return ": " + t.kinds().String()
}

// plus is what two counts of one cluster come to.
func (t refCount) plus(more refCount) refCount {
	return newRefCount(t.kinds()|more.kinds(), t.references()+more.references())
}

// refCountRun is clusters in a row that have the same refCount.
type refCountRun struct {
	first uint64
	n     uint32
	count refCount
}

const runBytes = 16

func (r refCountRun) end() uint64 { return r.first + uint64(r.n) }

// cut takes the first n clusters, or all if there are fewer, off the run.
func (r *refCountRun) cut(n uint64) refCountRun {
	front := *r
	front.n = uint32(min(n, uint64(r.n)))
	r.first, r.n = front.end(), r.n-front.n
	return front
}

// appendRefCount adds a run behind all others of a list.
func appendRefCount(list []refCountRun, r refCountRun) []refCountRun {
	if k := len(list) - 1; k >= 0 && list[k].end() == r.first && list[k].count == r.count &&
		list[k].n <= math.MaxUint32-r.n {
		list[k].n += r.n
		return list
	}
	return append(list, r)
}

// refCounts holds the counts of all clusters with references, as runs in order:
// in a sound image nearly all clusters are data with one reference, wherever they
// are. A damaged one takes a run for each reference at most, so what is
// stored in the file bounds the memory, and not how long it claims to be. What
// is found is noted first and sorted in when it has become much. Once the
// allowance is used up counts are full and forget what they are told.
type refCounts struct {
	runs  []refCountRun
	noted []refCountRun // in any order
	most  int           // runs the allowance is for
	full  bool
	at    int // run that get has found last
}

const (
	// sortingBytes is how many bytes a run may take while runs are sorted in.
	sortingBytes = 3 * runBytes

	leastNoted = 1 << 12 // runs
)

func newRefCounts(memory int64) refCounts { return refCounts{most: int(memory / sortingBytes)} }

// add counts references to n clusters from first on.
func (t *refCounts) add(first, n uint64, u format.ClusterKind, times uint64) {
	for n > 0 && !t.full {
		step := min(n, math.MaxUint32)
		t.note(refCountRun{first, uint32(step), newRefCount(u, times)})
		first, n = first+step, n-step
	}
}

func (t *refCounts) note(r refCountRun) {
	if k := len(t.noted) - 1; k < 0 || t.noted[k].end() != r.first {
		if len(t.noted) >= max(leastNoted, len(t.runs)/4) {
			t.settle()
		}
	}
	t.noted = appendRefCount(t.noted, r)
}

// settle sorts in what was noted.
func (t *refCounts) settle() {
	if len(t.noted) == 0 {
		return
	}
	t.runs, t.noted, t.at = united(t.runs, ordered(t.noted)), t.noted[:0], 0
	t.full = t.full || len(t.runs) > t.most
}

// ordered makes one list in order of runs in any order.
func ordered(list []refCountRun) []refCountRun {
	n := 1
	for n < len(list) && list[n-1].end() <= list[n].first {
		n++
	}
	if n >= len(list) {
		return list
	}
	half := len(list) / 2
	return united(ordered(list[:half]), ordered(list[half:]))
}

// united adds up two lists in order.
func united(a, b []refCountRun) []refCountRun {
	sum := make([]refCountRun, 0, len(a)+len(b))
	var x, y refCountRun // at the head of a and of b; n is 0 when they are used up
	for {
		if x.n == 0 && len(a) > 0 {
			x, a = a[0], a[1:]
		}
		if y.n == 0 && len(b) > 0 {
			y, b = b[0], b[1:]
		}
		if y.n != 0 && (x.n == 0 || y.first < x.first) {
			x, y, a, b = y, x, b, a
		}
		switch {
		case x.n == 0:
			return sum
		case y.n == 0:
			sum = appendRefCount(sum, x.cut(math.MaxUint32))
		case x.first < y.first:
			sum = appendRefCount(sum, x.cut(y.first-x.first))
		default:
			both := x.cut(uint64(y.n))
			both.count = both.count.plus(y.cut(uint64(both.n)).count)
			sum = appendRefCount(sum, both)
		}
	}
}

// from is the index of the first run that ends behind a cluster.
func (t *refCounts) from(cluster uint64) int {
	k, _ := slices.BinarySearchFunc(t.runs, cluster, func(r refCountRun, cluster uint64) int {
		return cmp.Compare(r.end(), cluster+1)
	})
	return k
}

// lies says whether from would find run k for a cluster.
func (t *refCounts) lies(cluster uint64, k int) bool {
	return (k == len(t.runs) || cluster < t.runs[k].end()) && (k == 0 || t.runs[k-1].end() <= cluster)
}

// get is the count of a cluster. Asked in order, it takes no search.
func (t *refCounts) get(cluster uint64) refCount {
	t.settle()
	if next := t.at + 1; !t.lies(cluster, t.at) {
		if t.at = next; next > len(t.runs) || !t.lies(cluster, next) {
			t.at = t.from(cluster)
		}
	}
	if t.at < len(t.runs) && t.runs[t.at].first <= cluster {
		return t.runs[t.at].count
	}
	return 0
}

// each visits every cluster with references, in order.
func (t *refCounts) each(visit func(cluster uint64, found refCount)) {
	t.eachIn(0, math.MaxUint64, visit)
}

// eachIn does so for a range of clusters.
func (t *refCounts) eachIn(from, to uint64, visit func(cluster uint64, found refCount)) {
	t.settle()
	for _, r := range t.runs[t.from(from):] {
		for c := max(r.first, from); c < min(r.end(), to); c++ {
			visit(c, r.count)
		}
		if r.end() >= to {
			return
		}
	}
}
