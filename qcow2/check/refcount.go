// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/binary"
	"fmt"

	"zqublkd/qcow2/format"
)

// refcountTable is the refcount table as found, judged.
type refcountTable struct {
	entries []format.RefcountTableEntry
	broken  map[uint64]bool // by index: the block can't be used
	empty   map[uint64]bool // by index: a hole in the file; true if refcounts are missing in it
	unread  bool            // the table itself can't be used
	rebuild bool            // the structures can't be corrected in place

	pages map[uint64][]byte // a bounded part of the blocks, by page of the file
}

const (
	refPageBytes = 4096
	maxRefPages  = 2048
)

// usable is the block at an index, 0 if it is absent or broken.
func (t *refcountTable) usable(index uint64) uint64 {
	if index >= uint64(len(t.entries)) || t.broken[index] {
		return 0
	}
	return t.entries[index].Offset()
}

// absent says that the refcounts of an index are zero, not unknown.
func (t *refcountTable) absent(index uint64) bool {
	return !t.unread && (index >= uint64(len(t.entries)) || t.entries[index] == 0)
}

// unknown says that nothing can be said about the refcounts of an index.
func (t *refcountTable) unknown(index uint64) bool {
	return t.unread || t.broken[index]
}

// breaks reports damage of the refcount structures. It hides no references to
// other things, so new structures are the cure.
func (c *checker) breaks(off uint64, format string, args ...any) {
	c.refs.rebuild = true
	c.corruption(off, format, args...)
}

// loadRefcounts counts the refcount structures.
func (c *checker) loadRefcounts() error {
	c.refs.unread = true
	c.refs.broken, c.refs.empty = make(map[uint64]bool), make(map[uint64]bool)
	if err := c.readRefcountTable(); err != nil {
		return err
	}
	seen := make(map[uint64]bool)
	for i, e := range c.refs.entries {
		if e != 0 && !c.countBlock(i, e, seen) {
			c.refs.broken[uint64(i)] = true
		}
	}
	return nil
}

func (c *checker) readRefcountTable() error {
	off, n := c.h.RefcountTableOffset, uint64(c.h.RefcountTableClusters)<<c.g.ClusterBits
	switch {
	case off == 0 || c.g.InCluster(off) != 0:
		c.breaks(off, "the refcount table at %#x does not start on a cluster", off)
		return nil
	case n == 0 || n > format.MaxRefTableBytes:
		c.breaks(off, "the refcount table has %d bytes, outside 1..%d", n, format.MaxRefTableBytes)
		return nil
	case !c.inFile(off, n):
		c.breaks(off, "the refcount table at %#x (%d bytes) lies past the end of the file", off, n)
		return nil
	}
	c.count(format.KindRefTable, off, n, 1, "refcount table")
	c.refs.unread = false
	raw := make([]byte, n)
	if err := c.read(raw, off); err != nil {
		return err
	}
	c.refs.entries = make([]format.RefcountTableEntry, n/8)
	for i := range c.refs.entries {
		c.refs.entries[i] = format.RefcountTableEntry(binary.BigEndian.Uint64(raw[i*8:]))
	}
	return nil
}

// countBlock judges one entry of the table: can its block be used?
func (c *checker) countBlock(i int, e format.RefcountTableEntry, seen map[uint64]bool) bool {
	at := c.h.RefcountTableOffset + uint64(i)*8
	off := e.Offset()
	if e.Reserved() != 0 {
		c.breaks(at, "entry %d of the refcount table has reserved bits set: %#x", i, uint64(e))
	}
	switch {
	case c.g.InCluster(off) != 0:
		c.breaks(at, "refcount block %d at %#x does not start on a cluster", i, off)
		return false
	case !c.inFile(off, c.g.ClusterSize()):
		c.breaks(at, "refcount block %d at %#x lies past the end of the file", i, off)
		return false
	}
	c.count(format.KindRefBlock, off, c.g.ClusterSize(), 1, "refcount block")
	if seen[off] {
		c.breaks(at, "refcount block %d at %#x also serves as another one", i, off)
		return false
	}
	seen[off] = true
	if c.hole(off, c.g.ClusterSize()) {
		c.refs.empty[uint64(i)] = false
	}
	return true
}

// storedOne reports whether the refcount stored for a cluster is 1, which is
// what its copied flag depends on.
func (c *checker) storedOne(cluster uint64) (bool, error) {
	index := cluster >> c.g.RefBlockBits
	if c.refs.skip(index) {
		return false, nil
	}
	size := min(refPageBytes, c.g.ClusterSize())
	perPage := size * 8 >> c.g.RefOrder
	k := cluster & (1<<c.g.RefBlockBits - 1)
	page, err := c.refPage(c.refs.usable(index)+k/perPage*size, size)
	if err != nil {
		return false, err
	}
	return format.RefcountBlock{Order: c.g.RefOrder, Data: page}.Get(k%perPage) == 1, nil
}

// refPage is a piece of a refcount block, at byte off of the file.
func (c *checker) refPage(off, size uint64) ([]byte, error) {
	if page, ok := c.refs.pages[off]; ok {
		return page, nil
	}
	if c.refs.pages == nil || len(c.refs.pages) >= maxRefPages {
		c.refs.pages = make(map[uint64][]byte)
	}
	page := make([]byte, size)
	c.refs.pages[off] = page
	return page, c.read(page, off)
}

// skip says that there is nothing to be seen or done in a block.
func (t *refcountTable) skip(index uint64) bool {
	missing, empty := t.empty[index]
	return t.usable(index) == 0 || empty && !missing
}

// eachBlock visits the usable blocks that hold anything, or should. A block
// that visit has changed is written back.
func (c *checker) eachBlock(visit func(first uint64, b format.RefcountBlock) (changed bool, err error)) error {
	b := format.RefcountBlock{Order: c.g.RefOrder, Data: make([]byte, c.g.ClusterSize())}
	for i := range uint64(len(c.refs.entries)) {
		if c.refs.skip(i) {
			continue
		}
		off := c.refs.usable(i)
		if err := c.read(b.Data, off); err != nil {
			return err
		}
		changed, err := visit(i<<c.g.RefBlockBits, b)
		if err == nil && changed {
			_, err = c.f.WriteAt(b.Data, int64(off))
		}
		if err != nil || c.counted.full {
			return err
		}
	}
	return nil
}

// EachCounted visits the first refcounts of a block, then those of the others
// that aren't zero. A block may have 16 million.
func EachCounted(b format.RefcountBlock, all uint64, visit func(i uint64)) {
	all = min(all, b.Len())
	for i := range all {
		visit(i)
	}
	for i := all; i < b.Len(); i++ {
		at, _ := b.Span(i, 1)
		if at%8 == 0 && i<<b.Order%64 == 0 && binary.BigEndian.Uint64(b.Data[at:]) == 0 {
			i += uint64(64)>>b.Order - 1
		} else if b.Get(i) != 0 {
			visit(i)
		}
	}
}

// inFileFrom is how many clusters of the file there are from first on.
func (c *checker) inFileFrom(first uint64) uint64 {
	end := c.g.Clusters(c.size)
	return end - min(first, end)
}

// compareRefcounts judges every cluster's refcount against its references.
func (c *checker) compareRefcounts() error {
	var behind uint64
	c.refs.pages = nil
	c.counted.settle()
	err := c.eachBlock(func(first uint64, b format.RefcountBlock) (bool, error) {
		n := c.inFileFrom(first)
		EachCounted(b, n, func(i uint64) {
			if i < n {
				c.compare(first+i, b.Get(i))
			} else {
				behind++
			}
		})
		return false, nil
	})
	if behind > 0 {
		c.note(c.size, "%d clusters behind the end of the file have refcounts", behind)
	}
	c.compareUncounted()
	return err
}

// compareUncounted judges references to clusters without stored refcounts.
func (c *checker) compareUncounted() {
	c.counted.each(func(cluster uint64, found refCount) {
		index := cluster >> c.g.RefBlockBits
		if c.refs.absent(index) {
			c.refs.rebuild = true
			c.compare(cluster, 0)
		}
		if _, empty := c.refs.empty[index]; empty {
			c.refs.empty[index] = true
			c.compare(cluster, 0)
		}
	})
}

func (c *checker) compare(cluster, refcount uint64) {
	found := c.counted.get(cluster)
	off := cluster << c.g.ClusterBits
	if refcount != 0 || found.references() != 0 {
		c.report.ImageEndOffset = max(c.report.ImageEndOffset, off+c.g.ClusterSize())
	}
	c.judgeUses(found)
	n := found.references()
	if refcount != n {
		c.unequal++
	}
	severity := Corruption
	switch {
	case refcount == n && !found.misused():
		return
	case found.saturated() && refcount != n:
		severity = Note
	case refcount > n && !found.misused():
		severity = Leak
	}
	if c.report.countOnly(severity) {
		return
	}
	text := fmt.Sprintf("cluster %d at %#x has refcount %d and %d references%s", cluster, off, refcount, n, found.asWhat())
	switch {
	case refcount == n:
		text = fmt.Sprintf("cluster %d at %#x is used %d times%s", cluster, off, n, found.asWhat())
	case severity == Note:
		text = fmt.Sprintf("cluster %d at %#x has too many references to count", cluster, off)
	}
	c.report.Findings = append(c.report.Findings, Finding{severity, off, text})
}

// judgeUses draws conclusions from a cluster that serves as two things: each
// may have overwritten the other.
func (c *checker) judgeUses(found refCount) {
	if !found.misused() {
		return
	}
	c.damaged = c.damaged || found.kinds()&kindReferring != 0
	c.refs.rebuild = c.refs.rebuild || found.kinds()&(format.KindRefTable|format.KindRefBlock) != 0
}
