// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"encoding/binary"
	"fmt"
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// editor is one change of an image.
type editor struct {
	f      storage.File
	h      *format.Header
	g      format.Geometry
	sector []byte // the header's first, as it is to be
	l1     []format.L1Entry
	refs   *refs
	zones  *format.ZonedInfo
	work   work
}

var errExternal = &format.UnsupportedError{Feature: "changing an image with an external data file",
	WayOut: "zqublkd export makes one of it that stands alone"}

// headerSector is what a disk writes whole or not at all, in bytes.
const headerSector = 512

// open looks at an image that is to be changed. What a crash has leaked is freed, and
// what other programs noted about the disk is invalidated, as by any writer.
func open(f storage.File, p Progress) (*editor, error) {
	i, err := qcow2.Open(f, qcow2.OpenOptions{NoData: true})
	if err != nil {
		return nil, err
	}
	zones, counting := i.Zoned(), i.HasCounters()
	if err := i.Close(); err != nil {
		return nil, err
	}
	if counting {
		return nil, &format.UnsupportedError{Feature: "changing the size or the snapshots of an image that keeps counters of its zones",
			WayOut: "zqublkd convert makes one without them"}
	}
	w := work{tell: p}
	r, err := check.Settled(f, check.Options{MaxFindings: 1, Progress: w.checked})
	if err == nil && r.Corruptions > 0 {
		err = fmt.Errorf("%w: check finds %d corruptions, and data might be overwritten; run `zqublkd check --repair all` on it first", format.ErrCorrupt, r.Corruptions)
	}
	if err != nil {
		return nil, err
	}
	e := &editor{f: f, zones: zones, sector: make([]byte, headerSector), work: w}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if e.h, err = format.ReadHeader(e.read, uint64(size)); err != nil {
		return nil, err
	}
	e.g = format.GeometryOf(e.h)
	if e.g.External {
		return nil, errExternal
	}
	if err := e.read(e.sector, 0); err != nil {
		return nil, err
	}
	if e.l1, err = e.readL1(e.h.L1TableOffset, e.h.L1Size); err != nil {
		return nil, err
	}
	return e, e.loadRefs()
}

// read fills p; what lies behind the end of the file is zeros.
func (e *editor) read(p []byte, off uint64) error {
	n, err := e.f.ReadAt(p, int64(off))
	if err == io.EOF {
		clear(p[n:])
		err = nil
	}
	return err
}

func (e *editor) write(p []byte, off uint64) error {
	_, err := e.f.WriteAt(p, int64(off))
	return err
}

func (e *editor) readWords(off, n uint64) ([]uint64, error) {
	raw := make([]byte, n*8)
	if err := e.read(raw, off); err != nil {
		return nil, err
	}
	words := make([]uint64, n)
	for k := range words {
		words[k] = binary.BigEndian.Uint64(raw[k*8:])
	}
	return words, nil
}

func (e *editor) readL1(off uint64, n uint32) ([]format.L1Entry, error) {
	words, err := e.readWords(off, uint64(n))
	list := make([]format.L1Entry, len(words))
	for k, w := range words {
		list[k] = format.L1Entry(w)
	}
	return list, err
}

// set puts a field into the header that is to be.
func (e *editor) set(at int, v uint64) { binary.BigEndian.PutUint64(e.sector[at:], v) }

func (e *editor) set32(at int, v uint32) { binary.BigEndian.PutUint32(e.sector[at:], v) }

// Fields of the header.
const (
	sizeField           = 24
	l1SizeField         = 36
	l1OffsetField       = 40
	snapshotCountField  = 60
	snapshotOffsetField = 64
)

// commit makes the new image the one in force: see the package's invariants. What of it
// is in clusters of its own is written already.
func (e *editor) commit() error {
	r := e.refs
	if err := r.place(); err != nil {
		return err
	}
	now := make([]byte, headerSector)
	if err := e.read(now, 0); err != nil {
		return err
	}
	for _, step := range []func() error{
		r.writeFresh,
		func() error { return e.grow() },
		e.f.Datasync,
		func() error { return e.mark(now) },
		r.writeRaised,
		func() error { return e.moveTable(now) },
		e.f.Datasync,
		func() error { return e.writeHeader(e.sector) },
		r.writeFinal,
		e.f.Datasync,
		e.cutEnd,
		e.clean,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// mark says that refcounts may be too high from here on, and in both headers.
func (e *editor) mark(now []byte) error {
	if e.h.Version < 3 {
		return nil
	}
	for _, h := range [][]byte{now, e.sector} {
		at := h[format.IncompatibleField:]
		binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)|uint64(format.IncompatDirty))
	}
	return e.writeHeader(now)
}

// moveTable puts the refcount table's new place into force.
func (e *editor) moveTable(now []byte) error {
	if !e.refs.grown {
		return nil
	}
	for _, h := range [][]byte{now, e.sector} {
		binary.BigEndian.PutUint64(h[format.RefTableField:], e.refs.tableAt.first<<e.g.ClusterBits)
		binary.BigEndian.PutUint32(h[format.RefTableField+8:], uint32(e.refs.tableAt.n))
	}
	if err := e.f.Datasync(); err != nil {
		return err
	}
	return e.writeHeader(now)
}

// writeHeader writes the first sector, durably.
func (e *editor) writeHeader(sector []byte) error {
	if err := e.write(sector, 0); err != nil {
		return err
	}
	return e.f.Datasync()
}

// clean takes the mark away.
func (e *editor) clean() error {
	if e.h.Version < 3 {
		return nil
	}
	at := e.sector[format.IncompatibleField:]
	binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)&^uint64(format.IncompatDirty))
	return e.writeHeader(e.sector)
}

// grow makes the file hold all clusters that were given out.
func (e *editor) grow() error {
	size, err := e.f.Size()
	if end := int64(e.refs.tail << e.g.ClusterBits); err == nil && size < end {
		err = e.f.Truncate(end)
	}
	return err
}

// cutEnd gives the end of the file back that is not in use.
func (e *editor) cutEnd() error {
	end, err := e.refs.end()
	if err != nil {
		return err
	}
	size, err := e.f.Size()
	if err == nil && size > int64(end<<e.g.ClusterBits) {
		if err = e.f.Truncate(int64(end << e.g.ClusterBits)); err == nil {
			err = e.f.Datasync()
		}
	}
	return err
}
