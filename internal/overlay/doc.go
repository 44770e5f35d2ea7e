// SPDX-License-Identifier: Apache-2.0

// Package overlay is what is done to an overlay that nobody serves, and to the file below it.
//
// # How it is used
//
// [Again] makes an overlay anew, as its backing file is now. [Commit] writes it into that file,
// [Rebase] puts it over another one, [Rename] names another one. [Merge] and [Absorb] are what
// the former two do to images that are open.
//
// # Invariants
//
//   - Names found in images are followed only where the caller says that they may be.
//   - Whatever ends it in between, the overlay is there, under its name: as it was, or as it
//     was to become.
package overlay
