// SPDX-License-Identifier: Apache-2.0

package qcow2

// Mapped is a run of the virtual disk and where it comes from, as qemu-img map
// tells it. Offsets and lengths are bytes.
type Mapped struct {
	Start      uint64
	Length     uint64
	Depth      int  // 0: the image, 1: its backing file, ...
	Present    bool // some layer says something; otherwise zeros for want of any
	Zero       bool // reads as zeros
	Data       bool // stored
	Compressed bool
	Placed     bool   // Offset means something
	Offset     uint64 // in the file of the layer
}

// joins says whether next, which follows m on the disk, continues it.
func (m Mapped) joins(next Mapped) bool {
	placed := m.Placed == next.Placed && (!m.Placed || m.Offset+m.Length == next.Offset)
	m.Start, m.Length, m.Offset = next.Start, next.Length, next.Offset
	return placed && m == next
}

// Map visits all of the disk in its order, run by run. Holes of the files are
// zeros, as far as the files tell.
func (i *Image) Map(visit func(Mapped) error) error {
	if err := i.Refused(UseRead); err != nil {
		return err
	}
	m := newMapper(i)
	var run Mapped
	for off := uint64(0); off < i.size; {
		next, err := m.own(i, off, i.size-off)
		if err != nil {
			return err
		}
		next = m.stored(next)
		off += next.Length
		if run.joins(next) && run.Length > 0 {
			run.Length += next.Length
			continue
		}
		if run.Length > 0 {
			if err := visit(run); err != nil {
				return err
			}
		}
		run = next
	}
	if run.Length == 0 {
		return nil
	}
	return visit(run)
}

// mapper is one walk over a disk.
type mapper struct {
	holes []holes // by layer
	raw   int     // the layer that is no image but the bytes of a file; -1: none
}

func newMapper(i *Image) mapper {
	m := mapper{holes: make([]holes, len(i.files)), raw: -1}
	for k, f := range i.files {
		m.holes[k].file = f
	}
	b := i.base
	for b != nil && b.image != nil {
		b = b.image.base
	}
	if b != nil {
		m.raw = len(i.files) - 1
	}
	return m
}

// own is the first run of [off,off+n) of an image, or some of it. Its depth is
// counted from that image.
func (m *mapper) own(i *Image, off, n uint64) (Mapped, error) {
	x := i.extentAt(off, n)
	if x.Kind == Miss {
		if err := i.resolveOwn(off, 1); err != nil {
			return Mapped{}, err
		}
		x = i.extentAt(off, n)
	}
	run := Mapped{Start: off, Length: min(x.Len, n), Present: true}
	switch {
	case x.Kind == Corrupt:
		return run, i.poisonError(off >> i.geo.ClusterBits)
	case x.Kind == Absent:
		return m.below(i.base, off, run.Length)
	case x.Kind == Zero:
		return run, i.placeZero(&run)
	}
	run.Data, run.Compressed = true, x.Kind == Compressed
	if run.Placed = !run.Compressed; run.Placed {
		run.Offset = x.Host
	}
	return run, nil
}

// placeZero completes a run that reads as zeros: of a cluster with space set aside for it,
// that is part of what is told.
func (i *Image) placeZero(run *Mapped) error {
	run.Zero = true
	entry, err := i.mapping(run.Start >> i.geo.ClusterBits)
	if err != nil || !i.geo.Stored(entry.entry) {
		return err
	}
	in := i.geo.InCluster(run.Start)
	run.Placed, run.Offset = true, entry.entry.Offset()+in
	run.Length = min(run.Length, i.geo.ClusterSize()-in)
	return nil
}

// below is the first run of [off,off+n) as seen from the layer above b.
func (m *mapper) below(b *Base, off, n uint64) (Mapped, error) {
	if b == nil || off >= b.size {
		return Mapped{Start: off, Length: n, Zero: true}, nil
	}
	n = min(n, b.size-off)
	if b.image == nil {
		return Mapped{Start: off, Length: n, Depth: 1, Present: true, Data: true, Placed: true, Offset: off}, nil
	}
	run, err := m.own(b.image, off, n)
	run.Depth++
	return run, err
}

// stored cuts a run where a hole of its file begins or ends, and calls a hole
// zeros. Of a raw file, which is all there is of its layer, it is no data either.
func (m *mapper) stored(run Mapped) Mapped {
	if !run.Data || !run.Placed {
		return run
	}
	h := &m.holes[run.Depth]
	h.look(run.Offset)
	run.Length = min(run.Length, h.to-run.Offset)
	run.Zero = !h.stored
	run.Data = h.stored || run.Depth != m.raw
	return run
}
