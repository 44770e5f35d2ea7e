// SPDX-License-Identifier: Apache-2.0

package format

const (
	OffsetMask = 0x00fffffffffffe00 // bits 9-55 of table entries
	CopiedFlag = 1 << 63            // of L1 and L2 entries: the refcount is exactly one
	L1Piece    = 4096               // L1 entries read at a time
)

// L1Entry is one word of the L1 table: where an L2 table is (qcow2
// specification, "L1 table entry").
type L1Entry uint64

// Offset is the byte offset of the L2 table in the file, 0 if there is none.
func (e L1Entry) Offset() uint64 { return uint64(e) & OffsetMask }

// Copied says that the L2 table's refcount is exactly one.
func (e L1Entry) Copied() bool { return e&CopiedFlag != 0 }

// Reserved is the reserved bits; they are zero in a sound image.
func (e L1Entry) Reserved() uint64 { return uint64(e) &^ (OffsetMask | CopiedFlag) }

// NewL1Entry is an entry for an L2 table whose refcount is one.
func NewL1Entry(offset uint64) L1Entry { return L1Entry(offset | CopiedFlag) }

// RefcountTableEntry is one word of the refcount table: the byte offset of a
// refcount block, 0 if all its refcounts are zero (qcow2 specification,
// "Refcount table entry").
type RefcountTableEntry uint64

const refTableReserved = 1<<9 - 1

// Offset is the byte offset of the refcount block in the file.
func (e RefcountTableEntry) Offset() uint64 { return uint64(e) &^ refTableReserved }

// Reserved is the reserved bits; they are zero in a sound image.
func (e RefcountTableEntry) Reserved() uint64 { return uint64(e) & refTableReserved }
