// SPDX-License-Identifier: Apache-2.0

package format

// L2Entry is the first word of an L2 table entry (qcow2 specification, "L2
// table entry").
type L2Entry uint64

const (
	L2Copied     L2Entry = 1 << 63
	L2Compressed L2Entry = 1 << 62
	L2Zero       L2Entry = 1 << 0

	// L2Poison marks an entry in memory whose value on disk makes no sense; it
	// is a reserved bit, so no sound entry has it, and it is never written.
	L2Poison L2Entry = 1 << 1
)

// Copied says that the data cluster's refcount is exactly one.
func (e L2Entry) Copied() bool { return e&L2Copied != 0 }

// Compressed says that the entry describes compressed data.
func (e L2Entry) Compressed() bool { return e&L2Compressed != 0 }

// Zero says that the cluster reads as zeros whatever Offset holds. It has this
// meaning in version 3 without extended L2 entries only.
func (e L2Entry) Zero() bool { return e&L2Zero != 0 }

// Offset is the byte offset of an uncompressed data cluster, 0 if none.
func (e L2Entry) Offset() uint64 { return uint64(e) & OffsetMask }

// Reserved is the reserved bits of an uncompressed entry; zero if sound.
func (e L2Entry) Reserved() uint64 {
	return uint64(e) &^ uint64(OffsetMask|L2Copied|L2Compressed|L2Zero)
}

// CompressedRange is where the compressed data lies: byte offset, and the
// number of bytes that may belong to it (its end is known to 512 bytes only).
func (e L2Entry) CompressedRange(clusterBits uint) (off, n uint64) {
	split := 62 - (clusterBits - 8)
	off = uint64(e) & (1<<split - 1)
	sectors := uint64(e)&(1<<62-1)>>split + 1
	return off, sectors*512 - off%512
}

// NewL2Entry is an entry for a host cluster whose refcount is one.
func NewL2Entry(offset uint64) L2Entry { return L2Entry(offset) | L2Copied }

// Poisoned reports whether the entry was found to be senseless.
func (e L2Entry) Poisoned() bool { return e&L2Poison != 0 && !e.Compressed() }

// L2Bitmap is the second word of an extended L2 entry: for each of the 32
// subclusters whether it is allocated (bits 0-31) and whether it reads as zeros
// (bits 32-63), subcluster 0 in the lowest bit of each half.
type L2Bitmap uint64

const L2AllAllocated L2Bitmap = 1<<Subclusters - 1

// Allocated says that subcluster i has its data in the host cluster.
func (b L2Bitmap) Allocated(i uint) bool { return b>>i&1 != 0 }

// Zero says that subcluster i reads as zeros.
func (b L2Bitmap) Zero(i uint) bool { return b>>(i+Subclusters)&1 != 0 }

// Sound says that no subcluster is both allocated and zero.
func (b L2Bitmap) Sound() bool { return b&(b>>Subclusters)&L2AllAllocated == 0 }
