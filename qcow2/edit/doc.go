// SPDX-License-Identifier: Apache-2.0

// Package edit changes images that nobody else has open: their size, their
// internal snapshots, where in the file their clusters lie.
//
//	err := edit.Resize(f, edit.ResizeOptions{Size: 2 << 30})
//	err = edit.CreateSnapshot(f, "before the upgrade", time.Now(), nil)
//
// # Invariants
//
//   - An image that package check finds corrupt is not touched.
//   - Every change is one write of the header's first sector: before it the image is the old
//     one, after it the new one, whatever of the other writes gets to the disk.
//   - What the new image refers to is counted, durably, before that write, and what only the
//     old one referred to is given up after it. A cut in between leaves refcounts that are
//     too high, and the dirty mark (version 3), so that the next open for writing frees them.
//   - The map of the disk is never changed in place: tables that become others are written
//     to free clusters. So are clusters that move.
//   - The copied flags of the new map are those that fit the refcounts in the end. They may
//     be wrong as long as refcounts are too high, which does no harm.
//
// # Locks
//
// It has none: one goroutine changes an image, and the caller has locked the file.
package edit
