// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"zqublkd/qcow2/format"
)

// rebuild is a full set of refcount structures to be put behind the end of the
// file: first the table, then the blocks.
type rebuild struct {
	old    *checker        // with the structures to be replaced
	c      *checker        // has counted all references but those of the old structures
	start  uint64          // first cluster
	table  uint64          // clusters
	blocks map[uint64]bool // indices in the table of the blocks needed
}

// rebuildRefcounts counts all references afresh, writes new structures where
// they can't hurt anything, and only then lets the header point to them.
func (c *checker) rebuildRefcounts() error {
	counted, err := examine(c.f, c.o, countOnly, nil)
	if err != nil {
		return err
	}
	n := &rebuild{old: c, c: counted, start: c.g.Clusters(c.size), blocks: make(map[uint64]bool)}
	if err := n.plan(); err != nil {
		return err
	}
	if n.end()<<c.g.ClusterBits > counted.dangling {
		return nil // the file must not grow to where something lost is looked for
	}
	if err := n.write(); err != nil {
		return err
	}
	if err := c.f.Datasync(); err != nil {
		return err
	}
	field := binary.BigEndian.AppendUint64(nil, n.start<<c.g.ClusterBits)
	field = binary.BigEndian.AppendUint32(field, uint32(n.table))
	_, err = c.f.WriteAt(field, format.RefTableField)
	return err
}

// plan finds out how much room the structures take, themselves included.
func (n *rebuild) plan() error {
	g := &n.c.g
	highest := uint64(0)
	n.c.counted.each(func(cluster uint64, found refCount) {
		n.blocks[cluster>>g.RefBlockBits] = true
		highest = max(highest, cluster)
	})
	n.start = max(n.start, highest+1)
	n.keepBlocks()
	for before := uint64(0); n.end() != before; {
		before = n.end()
		last := (max(before, n.start+1) - 1) >> g.RefBlockBits
		n.table = format.DivUp((last+1)*8, g.ClusterSize())
		if n.table<<g.ClusterBits > format.MaxRefTableBytes {
			return fmt.Errorf("the refcount table would need %d bytes, at most %d are allowed", n.table<<g.ClusterBits, format.MaxRefTableBytes)
		}
		for i := n.start >> g.RefBlockBits; i <= last; i++ {
			n.blocks[i] = true
		}
	}
	return nil
}

// keepBlocks provides for clusters that stay taken though nothing is known to
// refer to them.
func (n *rebuild) keepBlocks() {
	if !n.old.damaged {
		return
	}
	for i, e := range n.old.refs.entries {
		if e != 0 && uint64(i)<<n.c.g.RefBlockBits < n.c.g.Clusters(n.c.size) {
			n.blocks[uint64(i)] = true
		}
	}
}

// end is the first cluster behind the structures.
func (n *rebuild) end() uint64 { return n.start + n.table + uint64(len(n.blocks)) }

func (n *rebuild) write() error {
	g := &n.c.g
	if err := n.c.f.Truncate(int64(n.end() << g.ClusterBits)); err != nil {
		return err
	}
	table := make([]byte, n.table<<g.ClusterBits)
	b := format.RefcountBlock{Order: g.RefOrder, Data: make([]byte, g.ClusterSize())}
	for k, index := range slices.Sorted(maps.Keys(n.blocks)) {
		off := (n.start + n.table + uint64(k)) << g.ClusterBits
		binary.BigEndian.PutUint64(table[index*8:], off)
		if err := n.fill(b, index<<g.RefBlockBits); err != nil {
			return err
		}
		if _, err := n.c.f.WriteAt(b.Data, int64(off)); err != nil {
			return err
		}
	}
	_, err := n.c.f.WriteAt(table, int64(n.start<<g.ClusterBits))
	return err
}

// fill sets the refcounts of a block that starts with cluster first.
func (n *rebuild) fill(b format.RefcountBlock, first uint64) error {
	if err := n.keep(b, first); err != nil {
		return err
	}
	var err error
	n.c.counted.eachIn(first, first+b.Len(), func(cluster uint64, found refCount) {
		want := max(found.references(), b.Get(cluster-first))
		if want > format.MaxRefcount(b.Order) {
			err = fmt.Errorf("cluster %d has %d references, more than a refcount of %d bits holds", cluster, want, 1<<b.Order)
			return
		}
		b.Set(cluster-first, want)
	})
	for cluster := max(first, n.start); cluster < min(first+b.Len(), n.end()); cluster++ {
		b.Set(cluster-first, 1)
	}
	return err
}

// keep sets the refcounts that must not fall: while damage hides references,
// what was taken stays taken, and so does what can't be told.
func (n *rebuild) keep(b format.RefcountBlock, first uint64) error {
	clear(b.Data)
	refs, index := &n.old.refs, first>>n.c.g.RefBlockBits
	if !n.old.damaged || refs.absent(index) {
		return nil
	}
	if off := refs.usable(index); off != 0 {
		return n.c.read(b.Data, off)
	}
	for i := range min(b.Len(), n.c.inFileFrom(first)) {
		b.Set(i, 1)
	}
	return nil
}
