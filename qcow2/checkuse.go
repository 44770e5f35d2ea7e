package qcow2

import (
	"maps"
	"math/bits"
	"slices"
	"strings"
)

// use is what a cluster of the file serves as; a set, since overlaps are what
// the check is looking for.
type use uint8

const (
	useHeader use = 1 << iota
	useRefTable
	useRefBlock
	useL1
	useL2
	useZones
	useOther // snapshot table, bitmaps, encryption header
	useData

	useRefcounts = useRefTable | useRefBlock

	// useReferring holds references to other clusters.
	useReferring = useHeader | useL1 | useL2 | useOther

	// useShared may rightly be referenced more than once.
	useShared = useL2 | useData
)

var useNames = [8]string{"header", "refcount table", "refcount block", "L1 table",
	"L2 table", "zone table", "snapshot, bitmap or encryption metadata", "guest data"}

func (u use) String() string {
	var names []string
	for i, name := range useNames {
		if u>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// tally is what was found out about one cluster of the file: bits 0-22 the
// references, bit 23 that the stored refcount is one, bits 24-31 the uses.
type tally uint32

const (
	tallyOne    tally = 1 << 23
	tallyMax    tally = tallyOne - 1 // saturates here
	tallyUsesAt       = 24
)

func (t tally) references() uint64 { return uint64(t & tallyMax) }
func (t tally) uses() use          { return use(t >> tallyUsesAt) }
func (t tally) storedOne() bool    { return t&tallyOne != 0 }
func (t tally) saturated() bool    { return t&tallyMax == tallyMax }

// misused tells if the cluster serves as two things that can't share it.
func (t tally) misused() bool {
	return bits.OnesCount8(uint8(t.uses())) > 1 || t.uses()&^useShared != 0 && t.references() > 1
}

// asWhat continues a sentence with the uses, if there are any.
func (t tally) asWhat() string {
	if t.uses() == 0 {
		return ""
	}
	return ": " + t.uses().String()
}

func (t tally) plus(u use, times uint64) tally {
	n := tally(min(t.references()+min(times, uint64(tallyMax)), uint64(tallyMax)))
	return t&^tallyMax | n | tally(u)<<tallyUsesAt
}

const (
	tallyChunk      = 1024 // clusters
	tallyChunkBytes = tallyChunk*4 + 64
)

// tallies holds a tally per cluster, in chunks made on demand: a sparse file
// may be larger than memory. When the allowance is used up it is full and
// forgets what it is told.
type tallies struct {
	chunks map[uint64]*[tallyChunk]tally
	left   int64
	full   bool

	lastKey uint64
	last    *[tallyChunk]tally
}

func newTallies(memory int64) tallies {
	return tallies{chunks: make(map[uint64]*[tallyChunk]tally), left: memory}
}

func (t *tallies) get(cluster uint64) tally {
	if c := t.chunk(cluster / tallyChunk); c != nil {
		return c[cluster%tallyChunk]
	}
	return 0
}

func (t *tallies) add(cluster uint64, u use, times uint64) {
	if c := t.make(cluster / tallyChunk); c != nil {
		c[cluster%tallyChunk] = c[cluster%tallyChunk].plus(u, times)
	}
}

func (t *tallies) setOne(cluster uint64) {
	if c := t.make(cluster / tallyChunk); c != nil {
		c[cluster%tallyChunk] |= tallyOne
	}
}

func (t *tallies) chunk(key uint64) *[tallyChunk]tally {
	if t.last == nil || t.lastKey != key {
		t.lastKey, t.last = key, t.chunks[key]
	}
	return t.last
}

func (t *tallies) make(key uint64) *[tallyChunk]tally {
	if c := t.chunk(key); c != nil {
		return c
	}
	if t.left < tallyChunkBytes {
		t.full = true
		return nil
	}
	t.left -= tallyChunkBytes
	t.last = new([tallyChunk]tally)
	t.chunks[key] = t.last
	return t.last
}

// each visits every cluster with references, in order.
func (t *tallies) each(visit func(cluster uint64, found tally)) {
	for _, key := range slices.Sorted(maps.Keys(t.chunks)) {
		t.eachIn(key*tallyChunk, (key+1)*tallyChunk, visit)
	}
}

// eachIn does so for a range of clusters.
func (t *tallies) eachIn(from, to uint64, visit func(cluster uint64, found tally)) {
	for from < to {
		end := min(to, from-from%tallyChunk+tallyChunk)
		chunk := t.chunk(from / tallyChunk)
		for ; chunk != nil && from < end; from++ {
			if found := chunk[from%tallyChunk]; found.references() != 0 {
				visit(from, found)
			}
		}
		from = end
	}
}
