// SPDX-License-Identifier: Apache-2.0

// Package format is the bytes of a qcow2 image: header and header extensions,
// entries of L1, L2 and refcount tables, snapshots, bitmaps, and the zoned
// extension in each of its layouts. It decodes, judges and encodes; it opens no
// file and knows nothing else of this module.
//
// There is a file for each section of the qcow2 specification (docs/interop/qcow2
// in QEMU), and for the zoned series: zonelayout.go has the layouts v3 to v14 field
// by field, zonedetect.go tells them apart, zonetable.go has their words,
// zonelimits.go what each can't hold. private.go is the extension of our own.
//
// # How it is used
//
//	h, err := format.ReadHeader(read, size) // read fills a buffer from a byte of the file
//	g := format.GeometryOf(h)
//	e := format.L2Entry(word)
//
// # Invariants
//
//   - No bytes, however hostile, make it panic or take memory beyond a bound: sizes
//     are judged first, and an error says what is wrong and where (CorruptError).
//   - What it decoded it encodes to the same bytes, fields that it does not know
//     included.
//
// It has no state and no locks.
package format
