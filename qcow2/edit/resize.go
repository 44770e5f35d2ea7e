// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"fmt"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// ResizeOptions say what Resize does.
type ResizeOptions struct {
	Size   uint64 // of the disk, in bytes
	Shrink bool   // a smaller disk is meant: what is behind its end is lost

	// Base is the size of the backing file in bytes, 0 if there is none. AnyBase stands for
	// one that was not looked at.
	Base uint64

	Progress Progress // may be nil
}

// AnyBase is as long as any backing file may be.
const AnyBase = 1<<64 - 1

// ErrShrink: the new size is smaller, and nobody said that it may be.
var ErrShrink = fmt.Errorf("the disk would become smaller and lose what is behind its new end; --shrink allows it")

// Resize gives an image another size. What is behind the old end reads as zeros. Zones
// are added and taken away whole: new ones are empty.
func Resize(f storage.File, o ResizeOptions) error {
	e, err := open(f, o.Progress)
	if err != nil {
		return err
	}
	if err := o.Validate(e.h); err != nil {
		return err
	}
	switch {
	case o.Size == e.h.Size:
		return nil
	case o.Size < e.h.Size && !o.Shrink:
		return ErrShrink
	}
	if e.zones != nil {
		if err := e.resizeZones(o.Size); err != nil {
			return err
		}
	}
	// Behind both ends nothing may be left that would show later.
	end := min(o.Size, e.h.Size)
	if err := e.dropBehind(end); err != nil {
		return err
	}
	if err := e.refs.each(e.h.L1TableOffset, uint64(e.h.L1Size)*8, e.refs.drop); err != nil {
		return err
	}
	m := newMap{from: e.l1, owned: true, size: o.Size, change: func(s *slot, at uint64) error {
		return e.cut(s, at, end)
	}}
	if err := e.writeMap(m); err != nil {
		return err
	}
	return e.commit()
}

// Validate says why an image with that header can't have another size, as far as its header
// tells.
func (o ResizeOptions) Validate(h *format.Header) error {
	rule := func(text string, args ...any) error {
		return &format.OptionError{Option: "size", Value: o.Size, Rule: fmt.Sprintf(text, args...)}
	}
	switch {
	case o.Size == 0 || o.Size%512 != 0 || o.Size > format.MaxVirtualSize:
		return rule("must be a multiple of 512, above 0 and below 8 EiB")
	case h.Incompatible&format.IncompatDataFile != 0:
		return errExternal
	case h.Version < 3 && h.SnapshotCount > 0:
		return &format.UnsupportedError{Feature: "resizing an image of qcow2 version 2 with snapshots", WayOut: "make it one of version 3 first: qemu-img amend -o compat=1.1"}
	case len(format.FindExtensions(h.Extensions, format.ExtBitmaps)) > 0:
		return &format.UnsupportedError{Feature: "resizing an image with bitmaps", WayOut: "remove them first: qemu-img bitmap --remove"}
	case o.Size > h.Size && o.Base == AnyBase:
		return &qcow2.NotFollowedError{What: "backing file", Name: h.BackingFile, Why: "what it holds behind the end of the disk would show; --allow-backing looks at its size"}
	case o.Size > h.Size && o.Base > h.Size:
		return rule("the backing file has %d bytes, and what it holds behind byte %d would show; zqublkd export makes an image that stands alone", o.Base, h.Size)
	}
	return nil
}

// dropBehind gives up what the map has behind byte end of the disk: the refcounts of
// data there, and tables that map nothing else.
func (e *editor) dropBehind(end uint64) error {
	first := min(end/e.g.L2Coverage(), uint64(len(e.l1)))
	rest := end - first*e.g.L2Coverage()
	if err := e.referSome(e.l1[first:], func(at uint64) bool { return at >= rest }, e.refs.drop); err != nil {
		return err
	}
	needed := min(e.g.L1Needed(end), uint64(len(e.l1)))
	for _, l := range e.l1[needed:] {
		if l.Offset() == 0 {
			continue
		}
		if err := e.refs.drop(l.Offset() >> e.g.ClusterBits); err != nil {
			return err
		}
	}
	e.l1 = e.l1[:needed]
	return nil
}

// cut takes away an entry behind the end of the disk. In the cluster that the end is
// in, what is behind it becomes zeros, in a copy.
func (e *editor) cut(s *slot, at, end uint64) error {
	if at >= end {
		s.entry, s.bitmap = 0, 0
		return nil
	}
	rest := end - at
	if rest >= e.g.ClusterSize() || !s.entry.Compressed() && !e.g.Stored(s.entry) {
		return nil
	}
	data, err := e.cluster(s.entry)
	if err != nil || format.IsZero(data[rest:]) {
		return err
	}
	clear(data[rest:])
	to, err := e.refs.take(1)
	if err != nil {
		return err
	}
	if err := e.refer(s.entry, e.refs.drop); err != nil {
		return err
	}
	if s.entry.Compressed() {
		s.entry, s.bitmap = 0, 0
		if e.g.Extended {
			s.bitmap = uint64(format.L2AllAllocated)
		}
	}
	s.entry = s.entry&^format.L2Entry(format.OffsetMask) | format.L2Entry(to)
	return e.write(data, to)
}

// cluster is what the file holds for an entry.
func (e *editor) cluster(x format.L2Entry) ([]byte, error) {
	data := make([]byte, e.g.ClusterSize())
	if !x.Compressed() {
		return data, e.read(data, x.Offset())
	}
	off, n := x.CompressedRange(e.g.ClusterBits)
	packed := make([]byte, n)
	if err := e.read(packed, off); err != nil {
		return nil, err
	}
	return data, qcow2.Unpack(e.h.Compression, data, packed)
}
