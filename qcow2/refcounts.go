// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"math/rand/v2"

	"zqublkd/qcow2/format"
)

// refcounts is the reference counts of an image opened for writing, and the
// search for free clusters in them. Clusters are counted from the start of the
// file. Everything here runs under Image.mu.
type refcounts struct {
	image *Image
	geo   *format.Geometry
	table []format.RefcountTableEntry

	blocks map[uint64]format.RefcountBlock // a bounded part of them, by block number
	limit  int                             // blocks in memory

	tail   uint64    // every cluster from here on is free
	cursor [2]uint64 // where the next search for a free run of a class begins
}

const cachedBlockBytes = 16 << 20

func newRefcounts(i *Image, table []format.RefcountTableEntry) *refcounts {
	return &refcounts{
		image:  i,
		geo:    &i.geo,
		table:  table,
		blocks: make(map[uint64]format.RefcountBlock),
		limit:  int(max(cachedBlockBytes>>i.geo.ClusterBits, minCachedTables)),
	}
}

// perBlock is the number of clusters one refcount block counts.
func (r *refcounts) perBlock() uint64 { return 1 << r.geo.RefBlockBits }

func (r *refcounts) split(cluster uint64) (block, index uint64) {
	return cluster >> r.geo.RefBlockBits, cluster & (r.perBlock() - 1)
}

// exists says whether the refcount table has block b.
func (r *refcounts) exists(b uint64) bool {
	return b < uint64(len(r.table)) && r.table[b] != 0
}

// load returns block b, which must exist.
func (r *refcounts) load(b uint64) (format.RefcountBlock, error) {
	if block, ok := r.blocks[b]; ok {
		return block, nil
	}
	block := format.RefcountBlock{Order: r.geo.RefOrder, Data: make([]byte, r.geo.ClusterSize())}
	if err := r.image.file.read(block.Data, r.table[b].Offset()); err != nil {
		return block, err
	}
	r.keep(b, block)
	return block, nil
}

// keep caches a block; which other one it displaces hardly matters, any is
// clean and read again in one go.
func (r *refcounts) keep(b uint64, block format.RefcountBlock) {
	if len(r.blocks) >= r.limit {
		skip := rand.IntN(min(r.limit, 8))
		for victim := range r.blocks {
			if skip--; skip < 0 {
				delete(r.blocks, victim)
				break
			}
		}
	}
	r.blocks[b] = block
}

// get is the refcount of a cluster.
func (r *refcounts) get(cluster uint64) (uint64, error) {
	b, index := r.split(cluster)
	if !r.exists(b) {
		return 0, nil
	}
	block, err := r.load(b)
	if err != nil {
		return 0, err
	}
	return block.Get(index), nil
}

// acquire raises the refcounts of a run of free clusters from 0 to 1.
func (r *refcounts) acquire(x run) error {
	if err := r.adjust(x, func(uint64) uint64 { return 1 }); err != nil {
		return err
	}
	r.tail = max(r.tail, x.end())
	return nil
}

// drop lowers the refcounts of a run by one. Clusters that reach 0 may be given
// out at once: the caller knows that nothing durable refers to them.
func (r *refcounts) drop(x run) error {
	if positive, err := r.positive(x); err != nil || !positive {
		if err == nil {
			err = format.Corrupt("refcount", x.first<<r.geo.ClusterBits, "is 0 for a cluster in use")
		}
		return err
	}
	for class := range r.cursor {
		r.cursor[class] = min(r.cursor[class], x.first)
	}
	return r.adjust(x, func(n uint64) uint64 { return n - 1 })
}

func (r *refcounts) positive(x run) (bool, error) {
	for c := x.first; c < x.end(); c++ {
		if n, err := r.get(c); err != nil || n == 0 {
			return false, err
		}
	}
	return true, nil
}

// adjust changes the refcounts of a run, in memory and in the file. All its
// blocks exist.
func (r *refcounts) adjust(x run, change func(uint64) uint64) error {
	for x.n > 0 {
		b, index := r.split(x.first)
		n := min(x.n, r.perBlock()-index)
		if err := r.adjustBlock(b, index, n, change); err != nil {
			return err
		}
		x = run{x.first + n, x.n - n}
	}
	return nil
}

func (r *refcounts) adjustBlock(b, index, n uint64, change func(uint64) uint64) error {
	block, err := r.load(b)
	if err != nil {
		return err
	}
	from, to := block.Span(index, n)
	at, before := r.table[b].Offset()+from, bytes.Clone(block.Data[from:to])
	for k := index; k < index+n; k++ {
		block.Set(k, change(block.Get(k)))
	}
	err = r.image.writeMeta(format.KindRefBlock, block.Data[from:to], at)
	if err != nil {
		delete(r.blocks, b) // the file decides what it holds now
	}
	if noRoom(err) {
		r.image.file.write(before, at) // there was room for what was changed of it
	}
	return err
}

// findTail sets tail behind the last cluster with a refcount. It looks at each
// block once, and at none that is a hole of the file: there may be a million.
func (r *refcounts) findTail() error {
	h := holes{file: r.image.file.File}
	block := format.RefcountBlock{Order: r.geo.RefOrder, Data: make([]byte, r.geo.ClusterSize())}
	for b := len(r.table) - 1; b >= 0; b-- {
		off := r.table[b].Offset()
		if off == 0 || h.hole(off) >= r.geo.ClusterSize() {
			continue
		}
		if err := r.image.file.read(block.Data, off); err != nil {
			return err
		}
		if n := block.Used(); n > 0 {
			r.tail = uint64(b)<<r.geo.RefBlockBits + n
			return nil
		}
	}
	return nil
}
