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

// Map visits all of the disk in its order, run by run.
func (i *Image) Map(visit func(Mapped) error) error {
	if err := i.refused(UseRead); err != nil {
		return err
	}
	var run Mapped
	for off := uint64(0); off < i.size; {
		m, err := i.mapRun(off, i.size-off)
		if err != nil {
			return err
		}
		off += m.Length
		if run.joins(m) && run.Length > 0 {
			run.Length += m.Length
			continue
		}
		if run.Length > 0 {
			if err := visit(run); err != nil {
				return err
			}
		}
		run = m
	}
	if run.Length == 0 {
		return nil
	}
	return visit(run)
}

// mapRun is the first run of [off,off+n), or some of it.
func (i *Image) mapRun(off, n uint64) (Mapped, error) {
	x, err := i.ownResolved(off, n)
	m := Mapped{Start: off, Length: x.Len, Present: true}
	switch {
	case err != nil:
		return m, err
	case x.Kind == Corrupt:
		return m, i.poisonError(off >> i.geo.clusterBits)
	case x.Kind == absent:
		return i.base.mapped(off, x.Len)
	}
	m.Zero, m.Compressed = x.Kind == Zero, x.Kind == Compressed
	m.Data = !m.Zero
	if m.Placed = x.Kind == Data || x.Kind == Shared; m.Placed {
		m.Offset = x.Host
	}
	return m, nil
}

// mapped is the first run of [off,off+n) as seen from the layer above.
func (b *Base) mapped(off, n uint64) (Mapped, error) {
	if b == nil {
		return Mapped{Start: off, Length: n, Zero: true}, nil
	}
	rest := b.size - min(off, b.size)
	switch {
	case rest == 0: // QEMU calls zeros for want of bytes those of the layer above
		return Mapped{Start: off, Length: n, Present: true, Zero: true}, nil
	case b.image == nil:
		return Mapped{Start: off, Length: min(n, rest), Depth: 1, Present: true, Data: true, Placed: true, Offset: off}, nil
	}
	m, err := b.image.mapRun(off, min(n, rest))
	m.Depth++
	return m, err
}
