// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"fmt"
	"slices"

	"zqublkd/qcow2/format"
)

// block is one refcount block in its three states.
type block struct {
	before, raised, final format.RefcountBlock
	fresh                 bool // its place is new: nothing refers to it yet
}

// refs plans refcounts. Nothing is written before the plan is complete.
type refs struct {
	e      *editor
	table  []format.RefcountTableEntry
	blocks map[uint64]*block
	tail   uint64 // every cluster from here on is free, as the file says
	below  uint64 // what lies from this cluster on is to move down; 0: nothing is
	cursor uint64 // none is free below this one

	tableAt run  // clusters of the table in force
	grown   bool // the table gets a new place
	changed bool // some entry differs from the stored one
}

// run is a range of clusters of the file.
type run struct{ first, n uint64 }

func (e *editor) loadRefs() error {
	h := e.h
	r := &refs{e: e, blocks: map[uint64]*block{},
		tableAt: run{h.RefcountTableOffset >> e.g.ClusterBits, uint64(h.RefcountTableClusters)}}
	words, err := e.readWords(h.RefcountTableOffset, r.tableAt.n<<e.g.ClusterBits/8)
	if err != nil {
		return err
	}
	for _, w := range words {
		r.table = append(r.table, format.RefcountTableEntry(w))
	}
	e.refs = r
	for b := len(r.table) - 1; b >= 0 && r.tail == 0; b-- {
		if r.table[b] == 0 {
			continue
		}
		x, err := r.block(uint64(b))
		if err != nil {
			return err
		}
		if n := x.before.Used(); n > 0 {
			r.tail = uint64(b)<<e.g.RefBlockBits + n
		}
	}
	return nil
}

// block is the refcount block b, nil if there is none.
func (r *refs) block(b uint64) (*block, error) {
	if x, ok := r.blocks[b]; ok {
		return x, nil
	}
	if b >= uint64(len(r.table)) || r.table[b] == 0 {
		return nil, nil
	}
	data := make([]byte, r.e.g.ClusterSize())
	if err := r.e.read(data, r.table[b].Offset()); err != nil {
		return nil, err
	}
	x := r.newBlock(data)
	r.blocks[b] = x
	return x, nil
}

func (r *refs) newBlock(data []byte) *block {
	view := func() format.RefcountBlock {
		return format.RefcountBlock{Order: r.e.g.RefOrder, Data: slices.Clone(data)}
	}
	return &block{before: view(), raised: view(), final: view()}
}

// at is the block that counts cluster c and its place there.
func (r *refs) at(c uint64) (*block, uint64, error) {
	x, err := r.block(c >> r.e.g.RefBlockBits)
	return x, c & (1<<r.e.g.RefBlockBits - 1), err
}

// final is the refcount of cluster c in the end.
func (r *refs) final(c uint64) (uint64, error) {
	x, k, err := r.at(c)
	if x == nil || err != nil {
		return 0, err
	}
	return x.final.Get(k), nil
}

// add counts one reference more.
func (r *refs) add(c uint64) error {
	x, k, err := r.at(c)
	if err != nil {
		return err
	}
	if x == nil {
		return format.Corrupt("refcount", c<<r.e.g.ClusterBits, "is 0 for a cluster in use")
	}
	n := max(x.raised.Get(k), x.final.Get(k)) + 1
	if n > format.MaxRefcount(r.e.g.RefOrder) {
		return &format.UnsupportedError{
			Feature: fmt.Sprintf("a cluster in use more than %d times with refcounts of %d bits", n-1, 1<<r.e.g.RefOrder),
			WayOut:  "qemu-img convert -o refcount_bits=16 makes a copy of the image that has room for it"}
	}
	x.raised.Set(k, x.raised.Get(k)+1)
	x.final.Set(k, x.final.Get(k)+1)
	return nil
}

// drop takes one reference away, in the end.
func (r *refs) drop(c uint64) error {
	x, k, err := r.at(c)
	if err != nil {
		return err
	}
	if x == nil || x.final.Get(k) == 0 {
		return format.Corrupt("refcount", c<<r.e.g.ClusterBits, "is 0 for a cluster in use")
	}
	x.final.Set(k, x.final.Get(k)-1)
	return nil
}

// each does f to the clusters of n bytes from off.
func (r *refs) each(off, n uint64, f func(c uint64) error) error {
	if n == 0 {
		return nil
	}
	for c := off >> r.e.g.ClusterBits; c <= (off+n-1)>>r.e.g.ClusterBits; c++ {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

// take gives out n free clusters in a row: the byte they begin at. Their refcount is
// one from the start; what they hold is arbitrary.
func (r *refs) take(n uint64) (uint64, error) {
	if r.below > 0 {
		c, err := r.hole(n, r.tail)
		if err != nil || c > 0 {
			return c << r.e.g.ClusterBits, err
		}
	}
	first := r.tail
	r.tail += n
	for c := first; c < first+n; c++ {
		if err := r.count(c); err != nil {
			return 0, err
		}
	}
	return first << r.e.g.ClusterBits, nil
}

// hole takes the lowest n free clusters in a row below a limit; 0: there are none.
func (r *refs) hole(n, limit uint64) (uint64, error) {
	free := uint64(0)
	for c := r.cursor; c < min(limit, r.tail); c++ {
		x, k, err := r.at(c)
		if err != nil {
			return 0, err
		}
		if x == nil || x.raised.Get(k) != 0 {
			free = 0
			continue
		}
		if free == 0 && n == 1 {
			r.cursor = c
		}
		if free++; free == n {
			first := c + 1 - n
			return first, r.each(first<<r.e.g.ClusterBits, n<<r.e.g.ClusterBits, r.add)
		}
	}
	if n == 1 {
		r.cursor = max(r.cursor, min(limit, r.tail))
	}
	return 0, nil
}

// count makes the refcount of a free cluster one, with a new block if it takes one.
func (r *refs) count(c uint64) error {
	b := c >> r.e.g.RefBlockBits
	for uint64(len(r.table)) <= b {
		r.table = append(r.table, 0)
	}
	if r.table[b] == 0 {
		own := r.tail
		r.tail++
		r.table[b], r.changed = format.RefcountTableEntry(own<<r.e.g.ClusterBits), true
		r.blocks[b] = r.newBlock(make([]byte, r.e.g.ClusterSize()))
		r.blocks[b].fresh = true
		if err := r.count(own); err != nil {
			return err
		}
	}
	return r.add(c)
}

// place finds a place for a table that has outgrown its own.
func (r *refs) place() error {
	e := r.e
	for uint64(len(r.table))*8 > r.tableAt.n<<e.g.ClusterBits {
		n := e.g.Clusters(uint64(len(r.table)) * 8)
		if n<<e.g.ClusterBits > max(format.MaxRefTableBytes, e.g.ClusterSize()) {
			return &format.UnsupportedError{Feature: fmt.Sprintf("a refcount table of %d bytes", n<<e.g.ClusterBits),
				WayOut: "an image with a larger cluster_size has room"}
		}
		at, err := r.take(n)
		if err != nil {
			return err
		}
		if err := r.tableTo(at, n); err != nil {
			return err
		}
	}
	return nil
}

// tableTo moves the table to n clusters from byte at, which were taken for it.
func (r *refs) tableTo(at, n uint64) error {
	bits := r.e.g.ClusterBits
	old := r.tableAt
	r.tableAt, r.grown = run{at >> bits, n}, true
	return r.each(old.first<<bits, old.n<<bits, r.drop)
}
