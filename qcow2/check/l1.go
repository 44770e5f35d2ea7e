// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"encoding/binary"
	"slices"

	"zqublkd/qcow2/format"
)

// l2Ref is an L2 table and how often L1 tables refer to it. Tables shared by
// snapshots are walked once and count that many times.
type l2Ref struct {
	off    uint64
	times  uint32
	walked bool
}

const l2RefBytes = 16

// l2Tables collects references to L2 tables, up to max of them.
type l2Tables struct {
	refs []l2Ref
	next int // references at which to unite those to the same table
	max  int
	full bool
}

const leastL2Refs = 1 << 12

func (t *l2Tables) add(off uint64, times uint32) {
	if len(t.refs) >= max(t.next, leastL2Refs) {
		t.merge()
		t.next = 2 * len(t.refs)
	}
	if t.full = t.full || len(t.refs) >= t.max; !t.full {
		t.refs = append(t.refs, l2Ref{off: off, times: times})
	}
}

// merge sorts the tables and unites references to the same one.
func (t *l2Tables) merge() {
	slices.SortFunc(t.refs, func(a, b l2Ref) int { return cmp.Compare(a.off, b.off) })
	merged := t.refs[:0]
	for _, r := range t.refs {
		if n := len(merged); n > 0 && merged[n-1].off == r.off {
			merged[n-1].times = sumTimes(merged[n-1].times, r.times)
		} else {
			merged = append(merged, r)
		}
	}
	t.refs = merged
}

func sumTimes(a, b uint32) uint32 { return uint32(min(uint64(a)+uint64(b), uint64(maxReferences))) }

// find is the table at an offset, nil if it was not collected.
func (t *l2Tables) find(off uint64) *l2Ref {
	i, ok := slices.BinarySearchFunc(t.refs, off, func(r l2Ref, off uint64) int { return cmp.Compare(r.off, off) })
	if !ok {
		return nil
	}
	return &t.refs[i]
}

// checkL1Tables counts the active L1 table, those of snapshots, and the L2
// tables they refer to.
func (c *checker) checkL1Tables() error {
	if need := c.g.L1Needed(c.h.Size); uint64(c.h.L1Size) < need {
		c.corruption(36, "the L1 table has %d entries and the disk needs %d", c.h.L1Size, need)
	}
	visit := func(at uint64, e format.L1Entry) error {
		c.activeL1 = true
		return c.checkActiveL1(at, e)
	}
	if err := c.eachL1(l1Ref{c.h.L1TableOffset, c.h.L1Size}, 1, "L1 table", visit); err != nil {
		return err
	}
	if err := c.checkSnapshots(); err != nil {
		return err
	}
	c.tables.merge()
	return nil
}

// l1Ref is an L1 table as the header or a snapshot refers to it.
type l1Ref struct {
	off     uint64
	entries uint32
}

// eachL1 counts an L1 table, that many times, and visits its entries that refer
// to something.
func (c *checker) eachL1(t l1Ref, times uint32, what string, visit func(at uint64, e format.L1Entry) error) error {
	if uint64(t.entries)*8 > format.MaxL1Bytes {
		c.damage(t.off, "the %s has %d entries, at most %d are allowed", what, t.entries, format.MaxL1Bytes/8)
		return nil
	}
	if !c.spend(uint64(t.entries)) || !c.countAligned(format.KindL1, t.off, uint64(t.entries)*8, uint64(times), what) {
		return nil
	}
	return c.readL1(t.off, t.entries, func(at uint64, e format.L1Entry) error {
		clean := uint64(e) &^ e.Reserved()
		if c.fix&fixEntries == 0 || uint64(e) == clean || !c.sane(e.Offset(), format.KindL2) {
			return visit(at, e)
		}
		if err := c.put(at, clean); err != nil {
			return err
		}
		return visit(at, format.L1Entry(clean))
	})
}

func (c *checker) readL1(off uint64, entries uint32, visit func(at uint64, e format.L1Entry) error) error {
	for left := entries; left > 0; {
		n := min(left, format.L1Piece)
		raw := make([]byte, n*8)
		if err := c.read(raw, off); err != nil {
			return err
		}
		for i := range n {
			e := format.L1Entry(binary.BigEndian.Uint64(raw[i*8:]))
			if e == 0 {
				continue
			}
			if err := visit(off+uint64(i)*8, e); err != nil {
				return err
			}
		}
		off, left = off+uint64(n)*8, left-n
	}
	return nil
}

func (c *checker) checkActiveL1(at uint64, e format.L1Entry) error {
	c.checkL1Entry(at, e, 1)
	if e.Offset() == 0 {
		return c.checkEmptyL1(at, e)
	}
	return c.checkCopied(at, uint64(e), e.Offset(), "L1 entry")
}

// checkEmptyL1 objects to the copied flag of an entry that refers to nothing:
// some readers take any entry that isn't zero for a table.
func (c *checker) checkEmptyL1(at uint64, e format.L1Entry) error {
	switch {
	case !e.Copied() || c.fix&countOnly != 0:
		return nil
	case c.fix&fixEntries != 0:
		return c.put(at, uint64(e)^format.CopiedFlag)
	}
	c.corruption(at, "the L1 entry at %#x has the copied flag and refers to nothing", at)
	return nil
}

// checkL1Entry counts the L2 table of an entry, that many times.
func (c *checker) checkL1Entry(at uint64, e format.L1Entry, times uint32) {
	if e.Reserved() != 0 {
		c.corruption(at, "the L1 entry at %#x has reserved bits set: %#x", at, uint64(e))
	}
	if off := e.Offset(); off != 0 && c.countAligned(format.KindL2, off, c.g.ClusterSize(), uint64(times), "L2 table") {
		c.tables.add(off, times)
	}
}

// sane says whether an entry refers to a cluster that serves as nothing else, or
// to none: then its reserved bits are all that is wrong with it.
func (c *checker) sane(off uint64, as format.ClusterKind) bool {
	return off == 0 || c.g.InCluster(off) == 0 && c.inFile(off, c.g.ClusterSize()) &&
		c.before.counted.get(off>>c.g.ClusterBits).kinds() == as
}

// checkCopied compares the copied flag of an L1 or L2 entry, stored at byte
// at, with the refcount of what the entry points to, if that is known.
func (c *checker) checkCopied(at, entry, target uint64, what string) error {
	if c.fix&countOnly != 0 || c.refs.unknown(target>>c.g.ClusterBits>>c.g.RefBlockBits) {
		return nil
	}
	one, err := c.storedOne(target >> c.g.ClusterBits)
	if err != nil || one == (entry&format.CopiedFlag != 0) {
		return err
	}
	if c.fix&fixEntries != 0 {
		return c.put(at, entry^format.CopiedFlag)
	}
	if one {
		c.corruption(at, "the %s at %#x (%#x) has no copied flag, and the refcount is 1", what, at, entry)
	} else {
		c.corruption(at, "the %s at %#x (%#x) has the copied flag, and the refcount is not 1", what, at, entry)
	}
	return nil
}

// put rewrites one word of a table, unless something else is in its place.
func (c *checker) put(at, word uint64) error {
	if c.before.misused(at, 8) {
		return nil
	}
	_, err := c.f.WriteAt(binary.BigEndian.AppendUint64(nil, word), int64(at))
	return err
}
