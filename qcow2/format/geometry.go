// SPDX-License-Identifier: Apache-2.0

package format

import "bytes"

// Geometry holds the sizes everything else is computed from, as powers of two.
type Geometry struct {
	ClusterBits  uint
	L2Bits       uint // log2 of entries of one L2 table
	RefOrder     uint // log2 of bits of one refcount
	RefBlockBits uint // log2 of refcounts of one refcount block
	Extended     bool // extended L2 entries, 16 bytes with a subcluster bitmap
	External     bool // data lies in a file of its own, at the offset it has on the disk
}

// Subclusters is the number of subclusters of a cluster with extended L2.
const Subclusters = 32

// GeometryOf computes the sizes that a header says.
func GeometryOf(h *Header) Geometry {
	g := Geometry{
		ClusterBits:  uint(h.ClusterBits),
		L2Bits:       uint(h.ClusterBits) - 3,
		RefOrder:     uint(h.RefcountOrder),
		RefBlockBits: uint(h.ClusterBits) + 3 - uint(h.RefcountOrder),
		Extended:     h.Incompatible&IncompatExtendedL2 != 0,
		External:     h.Incompatible&IncompatDataFile != 0,
	}
	if g.Extended {
		g.L2Bits--
	}
	return g
}

// ClusterSize is in bytes.
func (g *Geometry) ClusterSize() uint64 { return 1 << g.ClusterBits }

// L2Entries is the number of entries of an L2 table.
func (g *Geometry) L2Entries() uint64 { return 1 << g.L2Bits }

// L2Coverage is how many bytes of the virtual disk one L2 table maps.
func (g *Geometry) L2Coverage() uint64 { return 1 << (g.ClusterBits + g.L2Bits) }

// EntryWords is the number of 64-bit words of one L2 entry.
func (g *Geometry) EntryWords() int {
	if g.Extended {
		return 2
	}
	return 1
}

// Stored says that an entry has a host cluster. One at offset 0 can only be in
// a data file, and only the copied flag tells (qcow2 specification, "L2 table
// entry").
func (g *Geometry) Stored(e L2Entry) bool {
	return e.Offset() != 0 || g.External && e.Copied()
}

// L1Needed is the number of L1 entries that map size bytes.
func (g *Geometry) L1Needed(size uint64) uint64 {
	return DivUp(size, g.L2Coverage())
}

// Clusters is the number of clusters that hold n bytes.
func (g *Geometry) Clusters(n uint64) uint64 { return DivUp(n, g.ClusterSize()) }

// InCluster is the offset of off within its cluster.
func (g *Geometry) InCluster(off uint64) uint64 { return off & (g.ClusterSize() - 1) }

// ClusterStart is the start of the cluster that off lies in.
func (g *Geometry) ClusterStart(off uint64) uint64 { return off &^ (g.ClusterSize() - 1) }

// DivUp is how many units hold n.
func DivUp(n, unit uint64) uint64 {
	if n == 0 {
		return 0
	}
	return (n-1)/unit + 1
}

// RoundUp is n rounded up to a multiple of unit.
func RoundUp(n, unit uint64) uint64 { return DivUp(n, unit) * unit }

// IsPowerOfTwo reports whether n has exactly one bit set.
func IsPowerOfTwo(n uint64) bool { return n != 0 && n&(n-1) == 0 }

// IsZero compares by halves: what is zero equals its own shifted self.
func IsZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
