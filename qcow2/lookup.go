// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"sync/atomic"

	"zqublkd/qcow2/format"
)

// Lookup says how the virtual disk is stored from byte off on: the first run,
// at most n bytes long. It takes no lock, does no I/O and allocates nothing, and
// is right while other goroutines change the map elsewhere.
func (i *Image) Lookup(off, n uint64) Extent {
	if off >= i.size || n == 0 {
		return Extent{}
	}
	n = min(n, i.size-off)
	x := i.extentThrough(off, n)
	for x.Len < n {
		next := i.extentThrough(off+x.Len, n-x.Len)
		if !x.joins(next) {
			break
		}
		x.Len += next.Len
	}
	x.Len = min(x.Len, n)
	return x
}

// extentThrough is extentAt, and where that says nothing what the layers below
// say.
func (i *Image) extentThrough(off, n uint64) Extent {
	x := i.extentAt(off, n)
	if x.Kind == Absent {
		return i.base.extent(off, min(x.Len, n))
	}
	return x
}

// lookupOwn is Lookup in this image alone: what it says nothing about is absent.
func (i *Image) lookupOwn(off, n uint64) Extent {
	x := i.extentAt(off, n)
	for x.Len < n {
		next := i.extentAt(off+x.Len, n-x.Len)
		if !x.joins(next) {
			break
		}
		x.Len += next.Len
	}
	x.Len = min(x.Len, n)
	return x
}

// extentAt is a run at off within one L2 table: at least the rest of the
// cluster or subcluster, more if the entries after it go on like it, and it may
// pass n by less than a cluster. Where no table is in memory, it is all that
// such a table maps.
func (i *Image) extentAt(off, n uint64) Extent {
	slot := &i.l1[off>>(i.geo.ClusterBits+i.geo.L2Bits)]
	table := slot.table.Load()
	if table == nil {
		rest := i.geo.L2Coverage() - off&(i.geo.L2Coverage()-1)
		if slot.entry.Load() == 0 {
			return Extent{Kind: Absent, Len: rest}
		}
		return Extent{Kind: Miss, Len: rest}
	}
	table.touch()
	index := off >> i.geo.ClusterBits & (i.geo.L2Entries() - 1)
	m := table.mapping(index)
	x := extentOf(&i.geo, m, i.geo.InCluster(off))
	if x.Len < n && !i.geo.Extended {
		x.Len += follow(&i.geo, table, index, m.entry, x.Kind, n-x.Len)
	}
	return x
}

// follow is how many bytes after entry e of a table, n or a little more at
// most, are stored as its continuation: the same zero, or the next host
// cluster. It sees the common cases only, and does so fast.
func follow(g *format.Geometry, t *l2table, index uint64, e format.L2Entry, kind ExtentKind, n uint64) uint64 {
	step := uint64(0)
	switch {
	case kind == Data || kind == Shared:
		step = g.ClusterSize()
	case kind != Zero && kind != Absent || g.Stored(e):
		return 0
	}
	rest := t.words[index+1:]
	rest = rest[:min(uint64(len(rest)), format.DivUp(n, g.ClusterSize()))]
	want := uint64(e)
	for k := range rest {
		want += step
		if atomic.LoadUint64(&rest[k]) != want {
			return uint64(k) << g.ClusterBits
		}
	}
	return uint64(len(rest)) << g.ClusterBits
}

// extentOf is the run from byte in of a cluster with mapping m on.
func extentOf(g *format.Geometry, m mapping, in uint64) Extent {
	x := clusterExtent(g, m.entry, in)
	if !g.Extended || x.Kind == Corrupt || x.Kind == Compressed {
		return x
	}
	size := g.ClusterSize() / format.Subclusters
	sub := uint(in / size)
	kind := subclusterKind(m.bitmap, sub, x.Kind)
	end := sub + 1
	for end < format.Subclusters && subclusterKind(m.bitmap, end, x.Kind) == kind {
		end++
	}
	x.Len = uint64(end)*size - in
	if kind != x.Kind {
		return Extent{Kind: kind, Len: x.Len}
	}
	return x
}

// subclusterKind is what subcluster sub is when allocated ones are of the given kind.
func subclusterKind(b format.L2Bitmap, sub uint, allocated ExtentKind) ExtentKind {
	switch {
	case b.Allocated(sub):
		return allocated
	case b.Zero(sub):
		return Zero
	}
	return Absent
}

// clusterExtent is the rest of a whole cluster from byte in on.
func clusterExtent(g *format.Geometry, e format.L2Entry, in uint64) Extent {
	rest := g.ClusterSize() - in
	switch {
	case e.Poisoned():
		return Extent{Kind: Corrupt, Len: rest}
	case e.Compressed():
		return Extent{Kind: Compressed, Len: rest}
	case e.Zero():
		return Extent{Kind: Zero, Len: rest}
	case !g.Stored(e):
		return Extent{Kind: Absent, Len: rest}
	case e.Copied():
		return Extent{Kind: Data, Host: e.Offset() + in, Len: rest}
	}
	return Extent{Kind: Shared, Host: e.Offset() + in, Len: rest}
}

// LookupResolved is Lookup that loads what it misses.
func (i *Image) LookupResolved(off, n uint64) (Extent, error) {
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

// LookupOwn is LookupResolved in this image alone: what that says nothing about is Absent.
func (i *Image) LookupOwn(off, n uint64) (Extent, error) {
	for {
		x := i.lookupOwn(off, n)
		if x.Kind != Miss {
			return x, nil
		}
		if err := i.resolveOwn(off, 1); err != nil {
			return x, err
		}
	}
}
