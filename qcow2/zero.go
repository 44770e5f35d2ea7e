package qcow2

// MakeZero makes [off,off+n) read as zeros and gives its space back where it
// can: host clusters that are ours alone are punched and stay mapped, so that
// writing there again takes no metadata. Bytes outside the range are left alone.
// It does not sync.
func (i *Image) MakeZero(off, n uint64) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	if err := i.checkRange(off, n); err != nil {
		return err
	}
	for n > 0 {
		x, err := i.zeroStep(off, n)
		if err == nil && x.Kind == Data {
			err = i.zeroData(off, x)
		}
		if err != nil {
			return err
		}
		off, n = off+x.Len, n-x.Len
	}
	return nil
}

// zeroStep deals with the first run of a range, unless it is Data and ours
// alone: then it only says where that is. Such a run stays where it is when the
// lock is given up.
func (i *Image) zeroStep(off, n uint64) (Extent, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	x, err := i.lookupResolved(off, min(n, batchClusters<<i.geo.clusterBits))
	if x.Kind == Shared || x.Kind == Compressed {
		i.waitWhileBusy(off>>i.geo.clusterBits, 1)
		x, err = i.lookupResolved(off, min(n, i.geo.clusterSize()-i.geo.inCluster(off)))
	}
	if err != nil {
		return x, err
	}
	switch x.Kind {
	case Data:
		return i.exclusivePart(x)
	case Shared, Compressed:
		return i.zeroCluster(off, n)
	case Corrupt:
		err = i.poisonError(off >> i.geo.clusterBits)
	}
	return x, err
}

// lookupResolved is Lookup without misses.
func (i *Image) lookupResolved(off, n uint64) (Extent, error) {
	for {
		x := i.Lookup(off, n)
		if x.Kind != Miss {
			return x, nil
		}
		if err := i.Resolve(off, 1); err != nil {
			return x, err
		}
	}
}

// exclusivePart cuts a Data run to the leading clusters whose refcount really
// is one; an L2 entry that lies about its first cluster is an error.
func (i *Image) exclusivePart(x Extent) (Extent, error) {
	first, last := x.Host>>i.geo.clusterBits, (x.Host+x.Len-1)>>i.geo.clusterBits
	for c := first; c <= last; c++ {
		n, err := i.refs.get(c)
		switch {
		case err != nil:
			return x, err
		case n == 0:
			return x, i.corrupted(corrupt("refcount", c<<i.geo.clusterBits, "is 0 for a cluster in use"))
		case n > 1 && c == first:
			return x, i.corrupted(corrupt("L2 entry", c<<i.geo.clusterBits, "claims a cluster with refcount %d for itself", n))
		case n > 1:
			x.Len = c<<i.geo.clusterBits - x.Host
			return x, nil
		}
	}
	return x, i.regions.check(regionData, x.Host, x.Len)
}

// zeroCluster makes the part of one cluster that lies in [off,off+n) zero. The
// cluster is compressed or not ours alone, so its host cluster is left: all of
// it is unmapped, or the rest is moved to a cluster of its own first.
func (i *Image) zeroCluster(off, n uint64) (Extent, error) {
	in := i.geo.inCluster(off)
	n = min(n, i.geo.clusterSize()-in)
	x := Extent{Kind: Zero, Len: n}
	if in == 0 && (n == i.geo.clusterSize() || off+n == i.size) {
		return x, i.unmap(off >> i.geo.clusterBits)
	}
	if err := i.ensure(off, n, 0); err != nil {
		return x, err
	}
	return i.lookupResolved(off, n)
}

// unmap replaces a cluster's mapping by one that reads as zeros and has no host
// cluster.
func (i *Image) unmap(cluster uint64) error {
	m, err := i.mapping(cluster)
	if err == nil {
		err = i.markDirty()
	}
	if err != nil {
		return err
	}
	if err := i.remap(cluster, i.zeroMapping(0)); err != nil {
		return err
	}
	i.retireMapping(m, 0)
	return nil
}

// zeroMapping reads as zeros and keeps a host cluster, or none if host is 0.
// Version 2 knows no zero flag: without a backing file, no entry means the same.
func (i *Image) zeroMapping(host uint64) mapping {
	m := mapping{}
	if host != 0 {
		m.entry = newL2Entry(host)
	}
	switch {
	case i.geo.extended:
		m.bitmap = l2AllAllocated << subclusters
	case i.header.Version >= 3:
		m.entry |= l2Zero
	}
	return m
}

// remap writes one cluster's L2 entry. It has an L2 table of its own.
func (i *Image) remap(cluster uint64, m mapping) error {
	index := cluster >> i.geo.l2Bits
	e := L1Entry(i.l1[index].entry.Load())
	if err := i.ownTable(index, e); err != nil {
		return err
	}
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	table, err := i.loadTable(index)
	if err != nil {
		return err
	}
	words := i.geo.entryWords()
	entry := cluster & (i.geo.l2Entries() - 1)
	if err := i.writeMeta(regionL2, m.append(nil, words), e.Offset()+entry*uint64(words)*8); err != nil {
		i.dropTable(index)
		return err
	}
	table.set(entry, m)
	return nil
}

// zeroData empties a run that is ours alone, by a hole if the file can make one,
// else by zero flags for whole clusters and by writing zeros.
func (i *Image) zeroData(off uint64, x Extent) error {
	if i.disk.PunchHole(int64(x.Host), int64(x.Len)) == nil {
		return nil
	}
	for x.Len > 0 {
		n := min(x.Len, i.geo.clusterSize()-i.geo.inCluster(x.Host))
		if err := i.zeroHost(off, x.Host, n); err != nil {
			return err
		}
		off, x.Host, x.Len = off+n, x.Host+n, x.Len-n
	}
	return nil
}

func (i *Image) zeroHost(off, host, n uint64) error {
	whole := n == i.geo.clusterSize() || i.geo.inCluster(off) == 0 && off+n == i.size
	if !whole || i.header.Version < 3 {
		return i.disk.writeZeros(host, n)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waitWhileBusy(off>>i.geo.clusterBits, 1)
	return i.remap(off>>i.geo.clusterBits, i.zeroMapping(host))
}
