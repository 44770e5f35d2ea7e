// SPDX-License-Identifier: Apache-2.0

// Package qcow2 places a virtual disk in a qcow2 image file: the two-level
// cluster map, refcounts, allocation, and the zone table of the zoned format
// extension. It knows where bytes are, not whether a zone may be written: rules
// of zones belong to its callers. The bytes themselves are package format, what
// `qemu-img check` does is package check.
//
// Facts come from the qcow2 specification (docs/interop/qcow2 in QEMU) and, for
// zones, from the layouts of the "zoned storage emulation" patch series, v3 to
// v14.
//
// # Invariants
//
//   - All metadata in memory is write-through: the page cache of the file has it
//     before a call returns, so a killed process loses nothing, and any cached
//     table may be dropped at any time.
//   - The data of one image moves by one descriptor, whatever moves it: disk.readData
//     and disk.writeData here, DataWay for rings (the rule: package storage, "Two
//     descriptors"). Tables are the page cache's, but for nothing else: no page
//     holds both where data goes past it.
//   - A refcount is durable before an L2 entry refers to its cluster. The price
//     is one Datasync each time space is taken, so space is taken in long runs.
//   - A cluster given out reads as zeros before anything refers to it.
//   - A cluster nothing refers to any more is reused only after the write that
//     dropped the reference is durable (Sync).
//   - No write touches metadata of another kind than it is meant for: every
//     write is checked against the map of metadata clusters.
//   - A mapping that Lookup called Data keeps its host cluster as long as the
//     image is open. MakeZero empties clusters in place.
//   - A failed Datasync is final: the image refuses to be written from then on.
//     So is a failed write of metadata, unless there was no room for it.
//   - Sizes read from the file are judged before memory is taken for them.
//
// # Locks
//
// Image.mu (refcounts, allocation and every change of the map) before
// l2cache.mu (loading, dropping and writing L2 tables) before regionMap.mu.
// Image.mu is given up while space just taken is flushed; what it is for is in
// flight meanwhile, and whoever wants to change the same clusters waits.
// freeLock guards clusters being given back while a reader still uses them; it
// is taken under Image.mu or alone, before l2cache.mu. marks.mu is taken under any
// of them, before regionMap.mu. The locks of freeList,
// unpackedCluster and Image.flushes are innermost. Lookup takes no lock: L1 slots and
// L2 words are read atomically.
package qcow2
