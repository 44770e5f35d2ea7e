// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"zqublkd/qcow2/format"
)

// slot is an entry of an L2 table.
type slot struct {
	index  uint64
	entry  format.L2Entry
	bitmap uint64 // with extended entries
}

// eachSlot visits the entries of a table, and stores what visit makes of them.
func (e *editor) eachSlot(table []byte, visit func(s *slot) error) error {
	width := 8 * e.g.EntryWords()
	for k := uint64(0); k < e.g.L2Entries(); k++ {
		at := table[k*uint64(width):]
		s := slot{index: k, entry: format.L2Entry(binary.BigEndian.Uint64(at))}
		if e.g.Extended {
			s.bitmap = binary.BigEndian.Uint64(at[8:])
		}
		if s.entry == 0 && s.bitmap == 0 {
			continue
		}
		if err := visit(&s); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(at, uint64(s.entry))
		if e.g.Extended {
			binary.BigEndian.PutUint64(at[8:], s.bitmap)
		}
	}
	return nil
}

// refer does f to each cluster that an entry has in the file.
func (e *editor) refer(x format.L2Entry, f func(c uint64) error) error {
	switch {
	case x.Compressed():
		off, n := x.CompressedRange(e.g.ClusterBits)
		return e.refs.each(off, n, f)
	case e.g.Stored(x):
		return f(x.Offset() >> e.g.ClusterBits)
	}
	return nil
}

// referAll does f to each cluster that the tables of a list of L1 entries refer to.
func (e *editor) referAll(list []format.L1Entry, f func(c uint64) error) error {
	return e.referSome(list, func(uint64) bool { return true }, f)
}

// referSome is referAll for some clusters of the disk: which is asked for the byte each
// starts at, the list's first table being at 0.
func (e *editor) referSome(list []format.L1Entry, which func(at uint64) bool, f func(c uint64) error) error {
	table := make([]byte, e.g.ClusterSize())
	for k, l := range list {
		if l.Offset() == 0 {
			continue
		}
		if err := errors.Join(e.work.on(), e.read(table, l.Offset())); err != nil {
			return err
		}
		err := e.eachSlot(table, func(s *slot) error {
			if !which(uint64(k)*e.g.L2Coverage() + s.index<<e.g.ClusterBits) {
				return nil
			}
			return e.refer(s.entry, f)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropMap gives up an L1 table, its L2 tables and what these refer to.
func (e *editor) dropMap(off uint64, list []format.L1Entry) error {
	if err := e.referAll(list, e.refs.drop); err != nil {
		return err
	}
	for _, l := range list {
		if l.Offset() != 0 {
			if err := e.refs.drop(l.Offset() >> e.g.ClusterBits); err != nil {
				return err
			}
		}
	}
	return e.refs.each(off, uint64(len(list))*8, e.refs.drop)
}

// newMap is the map of the disk that is to be.
type newMap struct {
	from  []format.L1Entry // tables to begin with
	owned bool             // the refcounts of these tables count this map
	size  uint64           // of the disk, in bytes

	// change, if set, changes an entry of the disk's byte at. The refcounts of data are
	// its business.
	change func(s *slot, at uint64) error
}

// writeMap writes the new map into clusters of its own, as far as it differs, and makes
// it that of the new header. All refcounts of data are planned.
func (e *editor) writeMap(m newMap) error {
	n := max(e.g.L1Needed(m.size), 1)
	if n*8 > format.MaxL1Bytes {
		return &format.OptionError{Option: "size", Value: m.size,
			Rule: fmt.Sprintf("must not be above %d with clusters of %d bytes", format.MaxL1Bytes/8*e.g.L2Coverage(), e.g.ClusterSize())}
	}
	l1 := make([]format.L1Entry, n)
	for k := range l1 {
		if k >= len(m.from) || m.from[k].Offset() == 0 {
			continue
		}
		at, err := e.writeL2(m, uint64(k))
		if err == nil {
			err = e.work.mapped(e.g.ClusterSize())
		}
		if err != nil {
			return err
		}
		l1[k] = format.L1Entry(at)
	}
	raw := make([]byte, format.RoundUp(n*8, e.g.ClusterSize()))
	for k, l := range l1 {
		if l != 0 {
			if one, err := e.refs.final(l.Offset() >> e.g.ClusterBits); err != nil {
				return err
			} else if one == 1 {
				l |= format.CopiedFlag
			}
		}
		binary.BigEndian.PutUint64(raw[k*8:], uint64(l))
	}
	off, err := e.refs.take(e.g.Clusters(n * 8))
	if err != nil {
		return err
	}
	e.set(sizeField, m.size)
	e.set32(l1SizeField, uint32(n))
	e.set(l1OffsetField, off)
	return e.write(raw, off)
}

// writeL2 is where table k of the new map is: in its old place if nothing changes.
func (e *editor) writeL2(m newMap, k uint64) (uint64, error) {
	old := m.from[k].Offset()
	table := make([]byte, e.g.ClusterSize())
	if err := e.read(table, old); err != nil {
		return 0, err
	}
	before := bytes.Clone(table)
	err := e.eachSlot(table, func(s *slot) error {
		if m.change != nil {
			if err := m.change(s, k*e.g.L2Coverage()+s.index<<e.g.ClusterBits); err != nil {
				return err
			}
		}
		return e.flag(s)
	})
	if err != nil {
		return 0, err
	}
	if bytes.Equal(before, table) && !e.moves(old) {
		if !m.owned {
			err = e.refs.add(old >> e.g.ClusterBits)
		}
		return old, err
	}
	if m.owned {
		if err := e.refs.drop(old >> e.g.ClusterBits); err != nil {
			return 0, err
		}
	}
	if format.IsZero(table) {
		return 0, nil
	}
	at, err := e.refs.take(1)
	if err != nil {
		return 0, err
	}
	return at, e.write(table, at)
}

// moves says whether a table is to leave its place for a lower one.
func (e *editor) moves(off uint64) bool {
	return e.refs.below > 0 && off>>e.g.ClusterBits >= e.refs.below
}

// flag makes the copied flag what the refcount says it is in the end.
func (e *editor) flag(s *slot) error {
	if s.entry.Compressed() || !e.g.Stored(s.entry) {
		return nil
	}
	n, err := e.refs.final(s.entry.Offset() >> e.g.ClusterBits)
	s.entry &^= format.L2Copied
	if n == 1 {
		s.entry |= format.L2Copied
	}
	return err
}
