// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// maxSnapshotName is in bytes, as QEMU has it.
const maxSnapshotName = 255

// kept is an entry of the snapshot table, in its stored form.
type kept struct {
	format.Snapshot
	raw []byte // padded
}

// snapshots reads the table.
func (e *editor) snapshots() ([]kept, error) {
	if e.zones != nil {
		return nil, &format.UnsupportedError{Feature: "internal snapshots of a zoned image",
			WayOut: "an overlay keeps a state: zqublkd create -b IMAGE NEW"}
	}
	var list []kept
	off := e.h.SnapshotsOffset
	for range e.h.SnapshotCount {
		b := make([]byte, format.SnapshotFixed)
		if err := e.read(b, off); err != nil {
			return nil, err
		}
		n := format.SnapshotLength(b)
		if n > format.MaxSnapshotBytes {
			return nil, format.Corrupt("snapshot table entry", off, "has %d bytes", n)
		}
		raw := make([]byte, format.RoundUp(n, 8))
		if err := e.read(raw[:n], off); err != nil {
			return nil, err
		}
		list = append(list, kept{format.ParseSnapshot(raw[:n]), raw})
		off += uint64(len(raw))
	}
	return list, nil
}

// tableBytes is the length of the table in bytes.
func tableBytes(list []kept) (n uint64) {
	for _, s := range list {
		n += uint64(len(s.raw))
	}
	return n
}

// find is the place of a snapshot in a list: by ID, else by name, as qemu-img does.
func find(list []kept, name string) (int, error) {
	for k, s := range list {
		if s.ID == name {
			return k, nil
		}
	}
	for k, s := range list {
		if s.Name == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("snapshot %q: %w", name, qcow2.ErrNoSnapshot)
}

// writeSnapshots makes list the table of the new header.
func (e *editor) writeSnapshots(old, list []kept) error {
	if err := e.refs.each(e.h.SnapshotsOffset, tableBytes(old), e.refs.drop); err != nil {
		return err
	}
	var raw []byte
	for _, s := range list {
		raw = append(raw, s.raw...)
	}
	if len(raw) > format.MaxSnapshotBytes {
		return &format.UnsupportedError{Feature: fmt.Sprintf("a snapshot table of %d bytes", len(raw)),
			WayOut: "delete some snapshots first"}
	}
	at := uint64(0)
	if len(raw) > 0 {
		var err error
		if at, err = e.refs.take(e.g.Clusters(uint64(len(raw)))); err != nil {
			return err
		}
		if err := e.write(raw, at); err != nil {
			return err
		}
	}
	e.set32(snapshotCountField, uint32(len(list)))
	e.set(snapshotOffsetField, at)
	return nil
}

// CreateSnapshot keeps the disk of a plain image as it is, under a name. The ID is the next
// number, as qemu-img gives it.
func CreateSnapshot(f storage.File, name string, now time.Time, p Progress) error {
	if len(name) == 0 || len(name) > maxSnapshotName {
		return &format.OptionError{Option: "NAME", Value: name,
			Rule: fmt.Sprintf("must have 1 to %d bytes", maxSnapshotName)}
	}
	e, err := open(f, p)
	if err != nil {
		return err
	}
	list, err := e.snapshots()
	if err != nil {
		return err
	}
	id := uint64(0)
	for _, s := range list {
		if s.Name == name {
			return &format.OptionError{Option: "NAME", Value: name, Rule: "the image has a snapshot of this name; delete it first, or give another name"}
		}
		if n, err := strconv.ParseUint(s.ID, 10, 32); err == nil {
			id = max(id, n)
		}
	}
	if len(list) >= format.MaxSnapshots {
		return &format.UnsupportedError{Feature: fmt.Sprintf("more than %d snapshots", format.MaxSnapshots),
			WayOut: "delete some first"}
	}
	// The snapshot takes the tables as they are; the disk gets others.
	needed := e.l1[:min(uint64(len(e.l1)), e.g.L1Needed(e.h.Size))]
	if err := e.referAll(needed, e.refs.add); err != nil {
		return err
	}
	if err := e.writeMap(newMap{from: needed, size: e.h.Size}); err != nil {
		return err
	}
	s := kept{raw: e.encode(strconv.FormatUint(id+1, 10), name, now)}
	if err := e.writeSnapshots(list, append(list, s)); err != nil {
		return err
	}
	return e.commit()
}

// encode is the entry of a snapshot that has the L1 table in force.
func (e *editor) encode(id, name string, now time.Time) []byte {
	be := binary.BigEndian
	b := be.AppendUint64(nil, e.h.L1TableOffset)
	b = be.AppendUint32(b, e.h.L1Size)
	b = be.AppendUint16(b, uint16(len(id)))
	b = be.AppendUint16(b, uint16(len(name)))
	b = be.AppendUint32(b, uint32(now.Unix()))
	b = be.AppendUint32(b, uint32(now.Nanosecond()))
	b = be.AppendUint64(b, 0) // no guest was running
	b = be.AppendUint32(b, 0)
	b = be.AppendUint32(b, format.SnapshotExtra)
	b = be.AppendUint64(b, 0)
	b = be.AppendUint64(b, e.h.Size)
	b = append(append(b, id...), name...)
	return append(b, make([]byte, format.RoundUp(uint64(len(b)), 8)-uint64(len(b)))...)
}

// ApplySnapshot makes the disk what it was when the snapshot was made. What was written
// since is lost; the snapshot stays.
func ApplySnapshot(f storage.File, name string, p Progress) error {
	e, s, _, err := openSnapshot(f, name, p)
	if err != nil {
		return err
	}
	size := e.h.Size
	if s.DiskSize != 0 {
		size = s.DiskSize
	}
	from, err := e.readL1(s.L1Offset, s.L1Size)
	if err != nil {
		return err
	}
	from = from[:min(uint64(len(from)), e.g.L1Needed(size))]
	if err := e.referAll(from, e.refs.add); err != nil {
		return err
	}
	if err := e.dropMap(e.h.L1TableOffset, e.l1); err != nil {
		return err
	}
	if err := e.writeMap(newMap{from: from, size: size}); err != nil {
		return err
	}
	return e.commit()
}

// DeleteSnapshot forgets a snapshot. The disk stays as it is.
func DeleteSnapshot(f storage.File, name string, p Progress) error {
	e, s, list, err := openSnapshot(f, name, p)
	if err != nil {
		return err
	}
	l1, err := e.readL1(s.L1Offset, s.L1Size)
	if err != nil {
		return err
	}
	if err := e.dropMap(s.L1Offset, l1); err != nil {
		return err
	}
	if err := e.refs.each(e.h.L1TableOffset, uint64(e.h.L1Size)*8, e.refs.drop); err != nil {
		return err
	}
	rest := make([]kept, 0, len(list))
	k, _ := find(list, name)
	rest = append(append(rest, list[:k]...), list[k+1:]...)
	if err := e.dropBehind(e.h.Size); err != nil {
		return err
	}
	m := newMap{from: e.l1, owned: true, size: e.h.Size, change: func(s *slot, at uint64) error {
		return e.cut(s, at, e.h.Size)
	}}
	if err := e.writeMap(m); err != nil {
		return err
	}
	if err := e.writeSnapshots(list, rest); err != nil {
		return err
	}
	return e.commit()
}

// openSnapshot finds a snapshot that is to be worked with.
func openSnapshot(f storage.File, name string, p Progress) (*editor, kept, []kept, error) {
	e, err := open(f, p)
	if err != nil {
		return nil, kept{}, nil, err
	}
	list, err := e.snapshots()
	if err != nil {
		return nil, kept{}, nil, err
	}
	k, err := find(list, name)
	if err != nil {
		return nil, kept{}, nil, err
	}
	return e, list[k], list, nil
}
