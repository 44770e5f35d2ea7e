package qcow2

// judge says what a cluster needs to become Data.
func (i *Image) judge(cluster uint64) (change, bool, error) {
	m, err := i.mapping(cluster)
	if err != nil {
		return change{}, false, err
	}
	ch := change{cluster: cluster, old: m}
	e := m.entry
	switch {
	case e.poisoned():
		return ch, false, i.poisonError(cluster)
	case e.Compressed():
		ch.fill = fillCopy
	case e.Offset() == 0:
		ch.fill = fillFresh
	case e.Copied() && !e.Zero() && (!i.geo.extended || m.bitmap == l2AllAllocated):
		return ch, false, nil
	default:
		err = i.judgeHost(&ch)
	}
	return ch, true, err
}

// judgeHost decides whether a cluster that has a host cluster may keep it.
func (i *Image) judgeHost(ch *change) error {
	e := ch.old.entry
	n, err := i.refs.get(e.Offset() >> i.geo.clusterBits)
	if err != nil {
		return err
	}
	reads := !e.Zero() && (!i.geo.extended || ch.old.bitmap&l2AllAllocated != 0)
	switch {
	case n == 0:
		return i.corrupted(corrupt("refcount", e.Offset(), "is 0 for a cluster in use"))
	case n > 1 && reads:
		ch.fill = fillCopy
	case n > 1:
		ch.fill = fillFresh
	case reads && !i.geo.extended:
		ch.fill, ch.host = fillNothing, e.Offset()
	default:
		ch.fill, ch.host = fillZeros, e.Offset()
	}
	return nil
}

// mapping is the L2 entry of a cluster, loaded if need be.
func (i *Image) mapping(cluster uint64) (mapping, error) {
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	t, err := i.loadTable(cluster >> i.geo.l2Bits)
	if err != nil || t == nil {
		return mapping{}, err
	}
	return t.mapping(cluster & (i.geo.l2Entries() - 1)), nil
}

// poisonError says which L2 entry is wrong.
func (i *Image) poisonError(cluster uint64) error {
	table := L1Entry(i.l1[cluster>>i.geo.l2Bits].entry.Load()).Offset()
	index := cluster & (i.geo.l2Entries() - 1)
	return corrupt("L2 entry", table+index*8*uint64(i.geo.entryWords()),
		"makes no sense for disk byte %d; run check", cluster<<i.geo.clusterBits)
}
