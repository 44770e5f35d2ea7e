// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/binary"

	"zqublkd/qcow2/format"
)

// checkL2Tables walks every L2 table once: those of the active L1 table in the
// order of the disk, which tells how fragmented it is, then those that only
// snapshots have.
func (c *checker) checkL2Tables() error {
	table := make([]byte, c.g.ClusterSize())
	walked := uint64(0)
	walk := func(r *l2Ref, active bool, disk uint64) error {
		if r == nil || r.walked || c.counted.full {
			return nil
		}
		r.walked = true
		if walked++; c.o.Progress != nil {
			if err := c.o.Progress(walked*c.g.ClusterSize(), uint64(len(c.tables.refs))*c.g.ClusterSize()); err != nil {
				return err
			}
		}
		return c.walkL2(table, r, active, disk)
	}
	if c.activeL1 {
		err := c.readL1(c.h.L1TableOffset, c.h.L1Size, func(at uint64, e format.L1Entry) error {
			r := c.tables.find(e.Offset())
			if r != nil && r.walked && c.g.External {
				c.corruption(at, "the L1 entry at %#x refers to an L2 table that another one refers to, which a data file excludes", at)
			}
			return walk(r, true, (at-c.h.L1TableOffset)/8*c.g.L2Coverage())
		})
		if err != nil {
			return err
		}
	}
	for i := range c.tables.refs {
		if err := walk(&c.tables.refs[i], false, 0); err != nil {
			return err
		}
	}
	return nil
}

// walkL2 looks at the entries of a table. An active one maps the disk from byte
// disk on.
func (c *checker) walkL2(table []byte, r *l2Ref, active bool, disk uint64) error {
	if c.hole(r.off, c.g.ClusterSize()) {
		return nil
	}
	if err := c.read(table, r.off); err != nil {
		return err
	}
	c.nextHost = 0 // across tables nothing is called a fragment
	width := 8 * c.g.EntryWords()
	for i := 0; i < len(table); i += width {
		s := l2Slot{at: r.off + uint64(i), times: uint64(r.times), active: active}
		s.disk = disk + uint64(i/width)<<c.g.ClusterBits
		s.entry = format.L2Entry(binary.BigEndian.Uint64(table[i:]))
		if c.g.Extended {
			s.bitmap = format.L2Bitmap(binary.BigEndian.Uint64(table[i+8:]))
		}
		if s.entry == 0 && s.bitmap == 0 {
			continue
		}
		if err := c.cleanEntry(&s); err != nil {
			return err
		}
		if err := c.checkL2Entry(s); err != nil {
			return err
		}
	}
	return nil
}

// l2Slot is one entry of an L2 table and where it was found.
type l2Slot struct {
	at     uint64 // byte offset in the file
	times  uint64 // references to its table
	active bool   // maps the disk as it is now, not only a snapshot
	disk   uint64 // byte of the disk it maps, if active
	entry  format.L2Entry
	bitmap format.L2Bitmap
}

// cleanEntry clears reserved bits if they are all that is wrong with an entry. The
// zero flag is none of them in version 2: QEMU reads no such cluster.
func (c *checker) cleanEntry(s *l2Slot) error {
	reserved := s.entry.Reserved()
	if c.g.Extended {
		reserved |= uint64(s.entry & format.L2Zero)
	}
	off := s.entry.Offset()
	if c.fix&fixEntries == 0 || s.entry.Compressed() || reserved == 0 || c.g.External && off != s.disk ||
		!c.g.External && !c.sane(off, format.KindData) {
		return nil
	}
	s.entry &^= format.L2Entry(reserved)
	return c.put(s.at, uint64(s.entry))
}

func (c *checker) checkL2Entry(s l2Slot) error {
	if s.entry.Compressed() {
		return c.checkCompressed(s)
	}
	c.checkEntryBits(s)
	if !c.g.Stored(s.entry) {
		return nil
	}
	c.countFragments(s)
	if c.g.External {
		return c.checkExternal(s)
	}
	c.countData(s)
	if !s.active {
		return nil
	}
	return c.checkCopied(s.at, uint64(s.entry), s.entry.Offset(), "L2 entry")
}

// checkExternal judges an entry whose offset is one of the data file: each cluster
// is at its place on the disk there, and nobody shares it.
func (c *checker) checkExternal(s l2Slot) error {
	off := s.entry.Offset()
	switch {
	case !s.active || c.fix&countOnly != 0:
		return nil
	case c.g.InCluster(off) != 0:
		c.corruption(s.at, "the L2 entry at %#x points to byte %#x of the data file, which is not the start of a cluster", s.at, off)
	case off != s.disk:
		c.corruption(s.at, "the L2 entry at %#x points to byte %#x of the data file, and maps byte %#x of the disk", s.at, off, s.disk)
	}
	switch {
	case s.entry.Copied():
		return nil
	case c.fix&fixEntries != 0:
		return c.put(s.at, uint64(s.entry|format.L2Copied))
	}
	c.corruption(s.at, "the L2 entry at %#x (%#x) has no copied flag, and its cluster is in the data file", s.at, uint64(s.entry))
	return nil
}

// countData counts a data cluster. One that is not aligned may belong to either
// cluster it touches, so both are kept.
func (c *checker) countData(s l2Slot) {
	off := s.entry.Offset()
	if c.g.InCluster(off) != 0 {
		c.damage(s.at, "the L2 entry at %#x points to data at %#x, which is not the start of a cluster", s.at, off)
	}
	c.count(format.KindData, off, c.g.ClusterSize(), s.times, "data cluster")
}

func (c *checker) checkCompressed(s l2Slot) error {
	off, n := s.entry.CompressedRange(c.g.ClusterBits)
	if s.active {
		c.report.AllocatedClusters++
		c.report.CompressedClusters++
		c.report.FragmentedClusters++
	}
	if s.bitmap != 0 {
		c.corruption(s.at, "the L2 entry at %#x is compressed and has subclusters: %#x", s.at, uint64(s.bitmap))
	}
	if c.g.External {
		c.corruption(s.at, "the L2 entry at %#x is compressed, which an external data file excludes", s.at)
		return nil
	}
	c.count(format.KindData, off, n, s.times, "compressed cluster")
	if !s.entry.Copied() || c.fix&countOnly != 0 {
		return nil
	}
	if c.fix&fixEntries != 0 {
		return c.put(s.at, uint64(s.entry&^format.L2Copied))
	}
	c.corruption(s.at, "the L2 entry at %#x is compressed and has the copied flag", s.at)
	return nil
}

// checkEntryBits looks for bits that have no meaning.
func (c *checker) checkEntryBits(s l2Slot) {
	reserved := s.entry.Reserved()
	if s.entry.Zero() && (c.g.Extended || c.h.Version < 3) {
		reserved |= uint64(format.L2Zero)
	}
	if reserved != 0 {
		c.corruption(s.at, "the L2 entry at %#x has reserved bits set: %#x", s.at, uint64(s.entry))
	}
	switch {
	case !s.bitmap.Sound():
		c.corruption(s.at, "the L2 entry at %#x has subclusters both stored and zero: %#x", s.at, uint64(s.bitmap))
	case !c.g.Stored(s.entry) && s.bitmap&format.L2AllAllocated != 0:
		c.corruption(s.at, "the L2 entry at %#x has stored subclusters without a cluster: %#x", s.at, uint64(s.bitmap))
	}
}

// countFragments counts clusters of the disk that have a place in the file, and
// those that don't follow their predecessor there.
func (c *checker) countFragments(s l2Slot) {
	if !s.active {
		return
	}
	c.report.AllocatedClusters++
	if c.nextHost != 0 && c.nextHost != s.entry.Offset() {
		c.report.FragmentedClusters++
	}
	c.nextHost = s.entry.Offset() + c.g.ClusterSize()
}
