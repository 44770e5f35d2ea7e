// SPDX-License-Identifier: Apache-2.0

// Package convert makes one image of another disk: [Export] and [ExportRaw] write a plain image
// or the bytes of a disk, [Import] makes a zoned image of a disk that has no zones, [Convert] makes
// one zoned image of a chain of overlays.
//
// # Invariants
//
//   - Nothing is written to the source, and nobody else may write to it meanwhile.
//   - What is cut short is no image, or one with empty sequential zones: the header of an export
//     comes last, and the write pointers of an import come after the data that they show.
//   - Above the write pointer a sequential zone is zeros, whatever the source has stored there.
package convert
