// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"zqublkd/qcow2/format"
)

// EachSnapshot visits the internal snapshots in the order of the table, until
// visit fails; the error is that of visit or of reading the file.
func (i *Image) EachSnapshot(visit func(format.Snapshot) error) error {
	_, err := i.eachSnapshot(visit)
	return err
}

// eachSnapshot returns the length of the table in bytes, too.
func (i *Image) eachSnapshot(visit func(format.Snapshot) error) (length uint64, err error) {
	if i.header.SnapshotCount > 0 && i.header.SnapshotsOffset == 0 {
		return 0, format.Corrupt("header", 64, "counts %d snapshots and puts their table at 0", i.header.SnapshotCount)
	}
	if i.header.SnapshotCount > format.MaxSnapshots {
		return 0, format.Corrupt("header", 60, "counts %d snapshots, at most %d are allowed", i.header.SnapshotCount, format.MaxSnapshots)
	}
	for range i.header.SnapshotCount {
		s, n, err := i.readSnapshot(i.header.SnapshotsOffset + length)
		if err != nil {
			return length, err
		}
		if length += n; length > format.MaxSnapshotBytes {
			return length, format.Corrupt("snapshot table", i.header.SnapshotsOffset, "has more than %d bytes",
				format.MaxSnapshotBytes)
		}
		if err := visit(s); err != nil {
			return length, err
		}
	}
	return length, nil
}

// ErrNoSnapshot: the image has no internal snapshot of the name or ID.
var ErrNoSnapshot = errors.New("the image has no such internal snapshot; zqublkd snapshot list shows those it has")

// showSnapshot makes the disk that of the snapshot that the options name: by ID, or
// else by name, as qemu-img has it.
func (i *Image) showSnapshot(o OpenOptions) error {
	if o.Snapshot == "" || !o.ReadOnly {
		return nil
	}
	var byID, byName *format.Snapshot
	err := i.EachSnapshot(func(s format.Snapshot) error {
		if s.ID == o.Snapshot && byID == nil {
			byID = &s
		}
		if s.Name == o.Snapshot && byName == nil {
			byName = &s
		}
		return nil
	})
	if err != nil {
		return err
	}
	s := cmp.Or(byID, byName)
	if s == nil {
		return fmt.Errorf("snapshot %q: %w", o.Snapshot, ErrNoSnapshot)
	}
	h := *i.header
	h.L1TableOffset, h.L1Size = s.L1Offset, s.L1Size
	if s.DiskSize != 0 {
		h.Size = s.DiskSize
	}
	if h.Size > format.MaxVirtualSize {
		return format.Corrupt("snapshot table", i.header.SnapshotsOffset, "says that a disk has %d bytes", h.Size)
	}
	i.header, i.size = &h, h.Size
	return nil
}

// readSnapshot reads the entry at byte off and returns its padded length.
func (i *Image) readSnapshot(off uint64) (format.Snapshot, uint64, error) {
	b := make([]byte, format.SnapshotFixed)
	if err := i.readTable("snapshot table", b, off); err != nil {
		return format.Snapshot{}, 0, err
	}
	n := format.SnapshotLength(b)
	if n > format.SnapshotFixed+format.MaxSnapshotExtra+2*65536 {
		return format.Snapshot{}, 0, format.Corrupt("snapshot table entry", off, "has %d bytes, more than QEMU allows",
			n)
	}
	b = make([]byte, n)
	if err := i.readTable("snapshot table", b, off); err != nil {
		return format.Snapshot{}, 0, err
	}
	return format.ParseSnapshot(b), format.RoundUp(n, 8), nil
}

// maxSnapshotWords bounds the entries of all L1 tables read when an image with
// snapshots is opened for writing.
const maxSnapshotWords = 1 << 26

// enterSnapshots enters the metadata of snapshots into the region map, and L2
// tables behind the end of the disk: they hold what a guest's memory was.
func (i *Image) enterSnapshots() error {
	if err := i.enterL1(i.header.L1TableOffset+uint64(len(i.l1))*8, i.header.L1Size-uint32(len(i.l1))); err != nil {
		return err
	}
	words := uint64(0)
	length, err := i.eachSnapshot(func(s format.Snapshot) error {
		if words += uint64(s.L1Size); words > maxSnapshotWords {
			return fmt.Errorf("%w: its snapshots have L1 tables of more than %d entries", format.ErrCorrupt, maxSnapshotWords)
		}
		if err := i.enterSnapshot(s); err != nil {
			return fmt.Errorf("snapshot %q: %w", s.Name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return i.regions.add(format.KindSnapshots, i.header.SnapshotsOffset, length)
}

func (i *Image) enterSnapshot(s format.Snapshot) error {
	if i.geo.InCluster(s.L1Offset) != 0 {
		return format.Corrupt("snapshot's L1 table", s.L1Offset, "does not start on a cluster")
	}
	if err := i.regions.add(format.KindSnapshots, s.L1Offset, uint64(s.L1Size)*8); err != nil {
		return err
	}
	return i.enterL1(s.L1Offset, s.L1Size)
}

// enterL1 enters the L2 tables of entries at byte off. Tables the active L1 table
// refers to are entered already.
func (i *Image) enterL1(off uint64, entries uint32) error {
	for left := entries; left > 0; {
		n := min(left, format.L1Piece)
		raw := make([]byte, n*8)
		if err := i.readTable("L1 table", raw, off); err != nil {
			return err
		}
		for ; len(raw) > 0; raw, off = raw[8:], off+8 {
			e := format.L1Entry(binary.BigEndian.Uint64(raw))
			if e.Offset() == 0 {
				continue
			}
			if err := i.checkTableOffset(off, e); err != nil {
				return err
			}
			if err := i.regions.share(format.KindL2, e.Offset(), i.geo.ClusterSize()); err != nil {
				return err
			}
		}
		left -= n
	}
	return nil
}
