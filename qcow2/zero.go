// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"zqublkd/qcow2/format"
)

// MakeZero makes [off,off+n) read as zeros and gives its space back where it
// can: host clusters that are ours alone are punched and stay mapped, so that
// writing there again takes no metadata. Bytes outside the range are left alone.
// It does not sync.
func (i *Image) MakeZero(off, n uint64) error { return i.zero(off, n, false) }

// ZeroOver is MakeZero of an image that is about to lie over next, which may be nil: what
// lies below it now does not count. Nobody else may use the image meanwhile.
func (i *Image) ZeroOver(next *Base, off, n uint64) error {
	now := i.base
	i.base = next
	defer func() { i.base = now }()
	return i.MakeZero(off, n)
}

// Discard is MakeZero as far as that takes no space: parts of clusters that would
// have to be copied first, or written with zeros, stay as they are.
func (i *Image) Discard(off, n uint64) error { return i.zero(off, n, true) }

func (i *Image) zero(off, n uint64, discard bool) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	if err := i.checkRange(off, n); err != nil {
		return err
	}
	for n > 0 {
		x, err := i.zeroStep(off, n, discard)
		if err == nil && x.Kind == Data {
			err = i.zeroData(off, x, discard)
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
// lock is given up. A run of no bytes has to be looked up again.
func (i *Image) zeroStep(off, n uint64, discard bool) (Extent, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	x, err := i.LookupOwn(off, min(n, batchClusters<<i.geo.ClusterBits))
	if err != nil {
		return x, err
	}
	if x.Kind == Absent { // perhaps of zeros below, too
		if below, err := i.LookupResolved(off, x.Len); err != nil || below.Kind == Zero {
			return below, err
		}
	}
	switch {
	case x.Kind == Data:
		return i.exclusivePart(x)
	case x.Kind == Zero:
		return x, nil
	case x.Kind == Corrupt:
		return x, i.damaged(i.poisonError(off >> i.geo.ClusterBits))
	}
	return i.zeroRun(off, x, discard)
}

// exclusivePart cuts a Data run to the leading clusters whose refcount really
// is one; an L2 entry that lies about its first cluster is an error.
func (i *Image) exclusivePart(x Extent) (Extent, error) {
	if i.geo.External {
		return x, nil
	}
	first, last := x.Host>>i.geo.ClusterBits, (x.Host+x.Len-1)>>i.geo.ClusterBits
	for c := first; c <= last; c++ {
		n, err := i.refs.get(c)
		switch {
		case err != nil:
			return x, err
		case n == 0:
			return x, i.corrupted(format.Corrupt("refcount", c<<i.geo.ClusterBits, "is 0 for a cluster in use"))
		case n > 1 && c == first:
			return x, i.corrupted(format.Corrupt("L2 entry", c<<i.geo.ClusterBits, "claims a cluster with refcount %d for itself", n))
		case n > 1:
			x.Len = c<<i.geo.ClusterBits - x.Host
			return x, nil
		}
	}
	return x, i.corrupted(i.mayHoldData(x.Host, x.Len))
}

// onlyOurs says whether a shared run starts with a cluster that has no flag to
// say so, but is ours alone. It must not be given back: somebody may be reading
// it. Once it is Data, it can be emptied in place.
func (i *Image) onlyOurs(x Extent) (bool, error) {
	if x.Kind != Shared || i.geo.External {
		return x.Kind == Shared, nil
	}
	n, err := i.refs.get(x.Host >> i.geo.ClusterBits)
	return n == 1, err
}

// zeroRun makes a run zero that is compressed, not ours alone or of the backing
// file: whole clusters are unmapped; one in part is made ours first.
func (i *Image) zeroRun(off uint64, x Extent, discard bool) (Extent, error) {
	whole := x.Len &^ (i.geo.ClusterSize() - 1)
	if off+x.Len == i.size {
		whole = format.RoundUp(x.Len, i.geo.ClusterSize())
	}
	ours, err := i.onlyOurs(x)
	if err != nil {
		return x, err
	}
	if i.geo.InCluster(off) != 0 || whole == 0 || ours || discard && i.needsSpace() {
		x.Len = min(x.Len, i.geo.ClusterSize()-i.geo.InCluster(off))
		if discard && !ours {
			return x, nil
		}
		if err := i.ensure(off, x.Len, 0, nil); err != nil {
			return x, err
		}
		return Extent{}, nil
	}
	first, n := off>>i.geo.ClusterBits, whole>>i.geo.ClusterBits
	if i.busy(first, n) {
		i.waitWhileBusy(first, n)
		return Extent{}, nil
	}
	p := &placement{image: i}
	if err := p.planZero(first, n, false); err != nil {
		return x, err
	}
	return Extent{Kind: Zero, Len: min(whole, x.Len)}, i.place(p)
}

// zeroData empties a run that is ours alone, by a hole if the file can make one,
// else by zero flags for whole clusters and by writing zeros.
func (i *Image) zeroData(off uint64, x Extent, discard bool) error {
	if i.data.PunchHole(int64(x.Host), int64(x.Len)) == nil {
		return nil
	}
	for x.Len > 0 {
		n := min(x.Len, i.geo.ClusterSize()-i.geo.InCluster(x.Host))
		if err := i.zeroHost(off, x.Host, n, discard); err != nil {
			return err
		}
		off, x.Host, x.Len = off+n, x.Host+n, x.Len-n
	}
	return nil
}

// needsSpace: without a zero flag only zeros hide what lies below.
func (i *Image) needsSpace() bool { return i.header.Version < 3 && i.base != nil }

func (i *Image) zeroHost(off, host, n uint64, discard bool) error {
	whole := n == i.geo.ClusterSize() || i.geo.InCluster(off) == 0 && off+n == i.size
	if !whole || i.header.Version < 3 || i.header.RawData() {
		if discard {
			return nil
		}
		return i.data.writeZeros(host, n)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waitWhileBusy(off>>i.geo.ClusterBits, 1)
	p := &placement{image: i}
	if err := p.planZero(off>>i.geo.ClusterBits, 1, true); err != nil {
		return err
	}
	return i.place(p)
}
