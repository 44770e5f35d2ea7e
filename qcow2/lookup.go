package qcow2

// Lookup says how the virtual disk is stored from byte off on: the first run,
// at most n bytes long. It takes no lock, does no I/O and allocates nothing, and
// is right while other goroutines change the map elsewhere.
func (i *Image) Lookup(off, n uint64) Extent {
	if off >= i.size || n == 0 {
		return Extent{}
	}
	n = min(n, i.size-off)
	x := i.extentAt(off)
	for x.Len < n {
		next := i.extentAt(off + x.Len)
		if !x.joins(next) {
			break
		}
		x.Len += next.Len
	}
	x.Len = min(x.Len, n)
	return x
}

// extentAt is the run at off within one cluster, or within one L2 table where
// that is missing.
func (i *Image) extentAt(off uint64) Extent {
	slot := &i.l1[off>>(i.geo.clusterBits+i.geo.l2Bits)]
	table := slot.table.Load()
	if table == nil {
		rest := i.geo.l2Coverage() - off&(i.geo.l2Coverage()-1)
		if slot.entry.Load() == 0 {
			return Extent{Kind: Zero, Len: rest}
		}
		return Extent{Kind: Miss, Len: rest}
	}
	table.touch()
	index := off >> i.geo.clusterBits & (i.geo.l2Entries() - 1)
	return i.geo.extentOf(table.mapping(index), i.geo.inCluster(off))
}

// extentOf is the run from byte in of a cluster with mapping m on.
func (g *geometry) extentOf(m mapping, in uint64) Extent {
	x := g.clusterExtent(m.entry, in)
	if !g.extended || x.Kind != Data && x.Kind != Shared {
		return x
	}
	size := g.clusterSize() / subclusters
	sub := uint(in / size)
	allocated := m.bitmap.Allocated(sub)
	end := sub + 1
	for end < subclusters && m.bitmap.Allocated(end) == allocated {
		end++
	}
	x.Len = uint64(end)*size - in
	if !allocated {
		return Extent{Kind: Zero, Len: x.Len}
	}
	return x
}

// clusterExtent is the rest of a whole cluster from byte in on.
func (g *geometry) clusterExtent(e L2Entry, in uint64) Extent {
	rest := g.clusterSize() - in
	switch {
	case e.poisoned():
		return Extent{Kind: Corrupt, Len: rest}
	case e.Compressed():
		return Extent{Kind: Compressed, Len: rest}
	case e.Zero() || e.Offset() == 0:
		return Extent{Kind: Zero, Len: rest}
	case e.Copied():
		return Extent{Kind: Data, Host: e.Offset() + in, Len: rest}
	}
	return Extent{Kind: Shared, Host: e.Offset() + in, Len: rest}
}
