// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/binary"
	"fmt"
	"slices"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// repaired does what the mode asks for, and looks again, as long as that helps:
// what was put right may be what kept it from more. Changes are drafted and judged
// before any is made, so that an image is never left with more errors than it had.
func (c *checker) repaired() (*Report, error) {
	const rounds = 8
	f, last := c.f, c
	for range rounds {
		d, err := newDraft(f)
		if err != nil {
			return c.report, fmt.Errorf("%w: %w", ErrCheck, err)
		}
		last.f = d
		after, err := last.repairOnce()
		if err != nil {
			return after.report, err
		}
		if !d.changed() || !after.better(last) {
			break
		}
		if err := d.Commit(); err != nil {
			return last.report, fmt.Errorf("%w: repair failed: %w", ErrCheck, err)
		}
		last = after
		if slices.Max(last.wrong()) == 0 {
			break
		}
	}
	last.f = f
	last.report.fixedSince(c.report)
	if last.report.Leaks > 0 {
		last.note(0, "leaks are left alone: damage may hide references to these clusters")
	}
	return last.report, last.clearMarks()
}

// better says whether an image has less wrong with it than before.
func (c *checker) better(before *checker) bool {
	return slices.Compare(c.wrong(), before.wrong()) < 0
}

// wrong counts what is wrong, the worst first.
func (c *checker) wrong() []uint64 {
	return []uint64{c.report.Corruptions, c.unequal, c.report.notes}
}

// repairOnce does each step once and returns what the image is like then. Each
// leaves an image no worse than it was, and is durable before the next relies on
// it:
//
//  1. refcounts, so that no cluster in use looks free;
//  2. copied flags, which are read off the refcounts, and reserved bits;
//  3. the zone table and the counters;
//  4. incompatible bit 5.
//
// The dirty and corrupt bits go last, if a last look finds nothing.
func (c *checker) repairOnce() (*checker, error) {
	steps := []func() error{c.repairRefcounts}
	if c.o.Repair == RepairAll {
		steps = append(steps, c.repairEntries, c.repairZones, c.repairCounters, c.repairZonedBit)
	}
	for _, step := range steps {
		err := step()
		if err == nil {
			err = c.f.Datasync()
		}
		if err != nil {
			return c, fmt.Errorf("%w: repair failed: %w", ErrCheck, err)
		}
	}
	return examine(c.f, c.o, fixNothing, nil)
}

// repairRefcounts makes refcounts equal to the references: downwards if
// nothing can hide references, upwards if all is to be repaired.
func (c *checker) repairRefcounts() error {
	if c.o.Repair == RepairAll && c.refs.rebuild {
		return c.rebuildRefcounts()
	}
	if c.refs.rebuild {
		return nil
	}
	return c.eachBlock(func(first uint64, b format.RefcountBlock) (changed bool, err error) {
		EachCounted(b, c.inFileFrom(first), func(i uint64) {
			if want, ok := c.wanted(first+i, b.Get(i)); ok {
				b.Set(i, want)
				changed = true
			}
		})
		return changed, nil
	})
}

// wanted is the refcount a cluster should get, if it may get it.
func (c *checker) wanted(cluster, refcount uint64) (uint64, bool) {
	found := c.counted.get(cluster)
	n := found.references()
	switch {
	case n == refcount || found.saturated():
		return 0, false
	case n < refcount:
		return n, !c.damaged
	}
	return n, c.o.Repair == RepairAll && n <= format.MaxRefcount(c.g.RefOrder)
}

// repairEntries walks again, with the refcounts as they are now.
func (c *checker) repairEntries() error {
	_, err := examine(c.f, c.o, fixEntries, c)
	return err
}

func (c *checker) repairZones() error {
	if len(c.zoneRepair) == 0 || c.misused(c.zones.TableOffset, c.zones.TableSize()) {
		return nil
	}
	return c.zoneTable.EncodeSlots(c.zoneRepair, func(b []byte, at uint64) error {
		_, err := c.f.WriteAt(b, int64(at))
		return err
	})
}

// repairZonedBit undoes the mistake of series v5, which set the bit on plain
// images only. One that has leaks may be a zoned one that lost its extension.
func (c *checker) repairZonedBit() error {
	if !c.wrongBit || c.zones == nil && c.report.Leaks > 0 {
		return nil
	}
	word := binary.BigEndian.AppendUint64(nil, uint64(c.h.Incompatible^format.IncompatZoned))
	_, err := c.f.WriteAt(word, format.IncompatibleField)
	return err
}

// clearMarks takes the dirty and corrupt bits off a sound image.
func (c *checker) clearMarks() error {
	marks := c.h.Incompatible & (format.IncompatDirty | format.IncompatCorrupt)
	if marks == 0 || !c.report.Clean() {
		return nil
	}
	word := binary.BigEndian.AppendUint64(nil, uint64(c.h.Incompatible&^marks))
	if _, err := c.f.WriteAt(word, format.IncompatibleField); err != nil {
		return fmt.Errorf("%w: repair failed: %w", ErrCheck, err)
	}
	c.report.Dirty, c.report.MarkedCorrupt = false, false
	return c.f.Datasync()
}

// WouldRepairLeaks says what would keep RepairLeaks from making an image sound,
// "" if nothing. It changes nothing, and the file need not be settled.
func WouldRepairLeaks(f storage.File) (why string, err error) {
	c, err := examine(f, Options{}.withDefaults(), fixNothing, nil)
	switch r := c.report; {
	case err != nil:
		return "", err
	case r.Corruptions > 0:
		return fmt.Sprintf("%d corruptions", r.Corruptions), nil
	case c.damaged && r.Leaks > 0:
		return fmt.Sprintf("%d leaks that can't be told from data", r.Leaks), nil
	}
	return "", nil
}
