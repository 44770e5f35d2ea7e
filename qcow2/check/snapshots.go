// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"zqublkd/qcow2/format"
)

// checkSnapshots counts the snapshot table, and what the L1 tables of its
// entries refer to.
func (c *checker) checkSnapshots() error {
	if c.h.SnapshotCount == 0 {
		return nil
	}
	if c.h.SnapshotCount > format.MaxSnapshots {
		c.damage(60, "the header counts %d snapshots, at most %d are allowed", c.h.SnapshotCount, format.MaxSnapshots)
		return nil
	}
	off := c.h.SnapshotsOffset
	if off == 0 {
		c.damage(snapshotsOffsetField, "the header counts %d snapshots and puts their table at 0", c.h.SnapshotCount)
		return nil
	}
	tables := make(map[l1Ref]uint32) // how often snapshots refer to each
	for i := range c.h.SnapshotCount {
		n, err := c.checkSnapshot(i, off, tables)
		if err != nil {
			return err
		}
		if n == 0 {
			return c.checkSnapshotL1(tables)
		}
		off += n
	}
	c.countAligned(format.KindSnapshots, c.h.SnapshotsOffset, off-c.h.SnapshotsOffset, 1, "snapshot table")
	return c.checkSnapshotL1(tables)
}

// checkSnapshotL1 looks into the L1 tables of snapshots, each once: a damaged
// image may refer to one from all of its snapshots.
func (c *checker) checkSnapshotL1(tables map[l1Ref]uint32) error {
	inOrder := slices.SortedFunc(maps.Keys(tables), func(a, b l1Ref) int {
		return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.entries, b.entries))
	})
	for _, t := range inOrder {
		times := tables[t]
		err := c.eachL1(t, times, "L1 table of a snapshot", func(at uint64, e format.L1Entry) error {
			c.checkL1Entry(at, e, times)
			return nil
		})
		if err != nil || c.tables.full || c.counted.full {
			return err
		}
	}
	return nil
}

// checkSnapshot looks at the entry at off, adds its L1 table to tables and
// returns its length in bytes, 0 if the next can't be found.
func (c *checker) checkSnapshot(i uint32, off uint64, tables map[l1Ref]uint32) (uint64, error) {
	if off-c.h.SnapshotsOffset > format.MaxSnapshotBytes || !c.inFile(off, format.SnapshotFixed) {
		c.damage(off, "entry %d of the snapshot table, at %#x, lies outside the file", i, off)
		return 0, nil
	}
	b := make([]byte, format.SnapshotFixed)
	if err := c.read(b, off); err != nil {
		return 0, err
	}
	be := binary.BigEndian
	extra := be.Uint32(b[36:])
	if extra < format.SnapshotExtra && c.h.Version >= 3 {
		c.corruption(off, "entry %d of the snapshot table, at %#x, has %d bytes of extra data, %d are required", i, off, extra, format.SnapshotExtra)
	}
	tables[l1Ref{be.Uint64(b), be.Uint32(b[8:])}]++
	return format.RoundUp(format.SnapshotLength(b), 8), nil
}
