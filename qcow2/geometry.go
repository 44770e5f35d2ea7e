package qcow2

import "bytes"

// geometry holds the sizes everything else is computed from, as powers of two.
type geometry struct {
	clusterBits  uint
	l2Bits       uint // log2 of entries of one L2 table
	refOrder     uint // log2 of bits of one refcount
	refBlockBits uint // log2 of refcounts of one refcount block
	extended     bool // extended L2 entries, 16 bytes with a subcluster bitmap
	external     bool // data lies in a file of its own, at the offset it has on the disk
}

// subclusters is the number of subclusters of a cluster with extended L2.
const subclusters = 32

func geometryOf(h *Header) geometry {
	g := geometry{
		clusterBits:  uint(h.ClusterBits),
		l2Bits:       uint(h.ClusterBits) - 3,
		refOrder:     uint(h.RefcountOrder),
		refBlockBits: uint(h.ClusterBits) + 3 - uint(h.RefcountOrder),
		extended:     h.Incompatible&IncompatExtendedL2 != 0,
		external:     h.Incompatible&IncompatDataFile != 0,
	}
	if g.extended {
		g.l2Bits--
	}
	return g
}

func (g *geometry) clusterSize() uint64 { return 1 << g.clusterBits }
func (g *geometry) l2Entries() uint64   { return 1 << g.l2Bits }

// l2Coverage is how many bytes of the virtual disk one L2 table maps.
func (g *geometry) l2Coverage() uint64 { return 1 << (g.clusterBits + g.l2Bits) }

// entryWords is the number of 64-bit words of one L2 entry.
func (g *geometry) entryWords() int {
	if g.extended {
		return 2
	}
	return 1
}

// stored says that an entry has a host cluster. One at offset 0 can only be in
// a data file, and only the copied flag tells (qcow2 specification, "L2 table
// entry").
func (g *geometry) stored(e L2Entry) bool {
	return e.Offset() != 0 || g.external && e.Copied()
}

// l1Needed is the number of L1 entries that map size bytes.
func (g *geometry) l1Needed(size uint64) uint64 {
	return divUp(size, g.l2Coverage())
}

// clusters is the number of clusters that hold n bytes.
func (g *geometry) clusters(n uint64) uint64 { return divUp(n, g.clusterSize()) }

// inCluster is the offset of off within its cluster.
func (g *geometry) inCluster(off uint64) uint64 { return off & (g.clusterSize() - 1) }

// clusterStart is the start of the cluster that off lies in.
func (g *geometry) clusterStart(off uint64) uint64 { return off &^ (g.clusterSize() - 1) }

func divUp(n, unit uint64) uint64 {
	if n == 0 {
		return 0
	}
	return (n-1)/unit + 1
}

func roundUp(n, unit uint64) uint64 { return divUp(n, unit) * unit }

func isPowerOfTwo(n uint64) bool { return n != 0 && n&(n-1) == 0 }

// isZero compares by halves: what is zero equals its own shifted self.
func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
