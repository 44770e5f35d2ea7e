// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"fmt"

	"zqublkd/qcow2/format"
)

// coverAhead is how much of the file (bytes) new refcount blocks are made for at
// once: with small clusters a block counts little and each costs a Datasync.
const coverAhead = 64 << 20

// coverTail makes sure that a refcount block counts the cluster at the tail.
// The new blocks lie at the tail themselves.
func (r *refcounts) coverTail() error {
	for b := r.tail >> r.geo.RefBlockBits; !r.exists(b); b = r.tail >> r.geo.RefBlockBits {
		if err := r.addBlocks(b); err != nil {
			return err
		}
	}
	return nil
}

// addBlocks makes block b, which counts the tail, and some after it.
func (r *refcounts) addBlocks(b uint64) error {
	if b >= uint64(len(r.table)) {
		return r.growTable(b)
	}
	n := r.missingFrom(b)
	used := run{r.tail, n}
	if err := r.placeBlocks(b, n, used, used.first); err != nil {
		return err
	}
	if err := r.image.datasync(); err != nil {
		return err
	}
	return r.linkBlocks(b, n, used)
}

// missingFrom is how many blocks to make from block b on.
func (r *refcounts) missingFrom(b uint64) uint64 {
	bytesPerBlock := r.perBlock() << r.geo.ClusterBits
	most := min(format.DivUp(coverAhead, bytesPerBlock), max(r.perBlock()/2, 1), uint64(len(r.table))-b)
	n := uint64(1)
	for n < most && r.table[b+n] == 0 {
		n++
	}
	return n
}

// placeBlocks writes n zeroed blocks, from block number b on, into the clusters
// from first on; the refcounts of the run used are 1 in them. Nothing refers to
// them yet, and as these clusters have no refcounts so far, a crash leaves them
// free.
func (r *refcounts) placeBlocks(b, n uint64, used run, first uint64) error {
	off, size := first<<r.geo.ClusterBits, n<<r.geo.ClusterBits
	if err := r.occupyRegion(format.KindRefBlock, off, size); err != nil {
		return err
	}
	raw := format.RefcountBlock{Order: r.geo.RefOrder, Data: make([]byte, size)}
	base := b << r.geo.RefBlockBits
	for c := used.first; c < used.end(); c++ {
		raw.Set(c-base, 1)
	}
	if err := r.image.writeMeta(format.KindRefBlock, raw.Data, off); err != nil {
		r.image.regions.remove(off, size)
		return err
	}
	return nil
}

// occupyRegion enters new metadata at the tail into the region map.
func (r *refcounts) occupyRegion(kind format.ClusterKind, off, size uint64) error {
	if err := r.image.regions.check(format.KindData, off, size); err != nil {
		return r.image.corrupted(fmt.Errorf("refcount 0 for metadata: %w", err))
	}
	return r.image.corrupted(r.image.regions.add(kind, off, size))
}

// linkBlocks enters n durable blocks, which lie at the start of used, into the
// refcount table.
func (r *refcounts) linkBlocks(b, n uint64, used run) error {
	words := make([]byte, 0, n*8)
	for k := range n {
		words = binary.BigEndian.AppendUint64(words, (used.first+k)<<r.geo.ClusterBits)
	}
	at := r.image.header.RefcountTableOffset + b*8
	if err := r.image.writeMeta(format.KindRefTable, words, at); err != nil {
		return r.image.fail(err) // which blocks are linked now is unknown
	}
	for k := range n {
		r.table[b+k] = format.RefcountTableEntry((used.first + k) << r.geo.ClusterBits)
	}
	r.tail = max(r.tail, used.end())
	return nil
}

// growTable moves the refcount table to the tail, at least doubled, together
// with the blocks that count the place it moves to. b is the first block number
// the old table has no entry for, and the tail is in its range.
func (r *refcounts) growTable(b uint64) error {
	tableClusters, n := r.plan(b)
	if tableClusters<<r.geo.ClusterBits > max(format.MaxRefTableBytes, r.geo.ClusterSize()) {
		return fmt.Errorf("refcount table would pass 8 MiB, the limit of the format's readers: %w", format.ErrUnsupported)
	}
	used := run{r.tail, tableClusters + n}
	if err := r.placeBlocks(b, n, used, used.first+tableClusters); err != nil {
		return err
	}
	table := make([]format.RefcountTableEntry, tableClusters<<r.geo.ClusterBits/8)
	copy(table, r.table)
	for k := range n {
		table[b+k] = format.RefcountTableEntry((used.first + tableClusters + k) << r.geo.ClusterBits)
	}
	if err := r.placeTable(table, used.first); err != nil {
		r.image.regions.remove((used.first+tableClusters)<<r.geo.ClusterBits, n<<r.geo.ClusterBits)
		return err
	}
	return r.switchTable(table, used)
}

// plan computes the size of a new table in clusters and how many new blocks,
// from number b on, count both table and blocks.
func (r *refcounts) plan(b uint64) (tableClusters, blocks uint64) {
	for blocks = 1; ; blocks++ {
		doubled := min(2*uint64(len(r.table)), format.MaxRefTableBytes/8)
		tableClusters = r.geo.Clusters(max(doubled, b+blocks) * 8)
		if (b+blocks)<<r.geo.RefBlockBits >= r.tail+tableClusters+blocks {
			return tableClusters, blocks
		}
	}
}

// placeTable writes a table to the clusters from first on and makes it durable.
func (r *refcounts) placeTable(table []format.RefcountTableEntry, first uint64) error {
	off, size := first<<r.geo.ClusterBits, uint64(len(table))*8
	if err := r.occupyRegion(format.KindRefTable, off, size); err != nil {
		return err
	}
	raw := make([]byte, 0, size)
	for _, e := range table {
		raw = binary.BigEndian.AppendUint64(raw, uint64(e))
	}
	err := r.image.writeMeta(format.KindRefTable, raw, off)
	if err == nil {
		err = r.image.datasync()
	}
	if err != nil {
		r.image.regions.remove(off, size)
	}
	return err
}

// switchTable points the header to the new table. The old one is given back
// once that is durable, which it is before any L2 entry relies on it.
func (r *refcounts) switchTable(table []format.RefcountTableEntry, used run) error {
	h := r.image.header
	clusters := r.geo.Clusters(uint64(len(table)) * 8)
	field := binary.BigEndian.AppendUint64(nil, used.first<<r.geo.ClusterBits)
	field = binary.BigEndian.AppendUint32(field, uint32(clusters))
	if err := r.image.writeMeta(format.KindHeader, field, format.RefTableField); err != nil {
		return r.image.fail(err) // which table is in force now is unknown
	}
	old := run{h.RefcountTableOffset >> r.geo.ClusterBits, uint64(h.RefcountTableClusters)}
	r.image.regions.remove(h.RefcountTableOffset, old.n<<r.geo.ClusterBits)
	r.image.frees.add(old)
	h.RefcountTableOffset, h.RefcountTableClusters = used.first<<r.geo.ClusterBits, uint32(clusters)
	r.table = table
	r.tail = used.end()
	return nil
}
