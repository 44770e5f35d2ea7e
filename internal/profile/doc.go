// SPDX-License-Identifier: Apache-2.0

// Package profile knows zoned drives: their zones, limits and blocks, as options of a
// new image.
//
// # How it is used
//
// [Find] takes the name of a profile; Options scales it to the size an image is to have.
// Sources of all numbers, and what was chosen where none is known, stand in
// docs/profiles.md.
//
// # Invariants
//
//   - The options of every profile pass the rules of a new image at each size of two zones or
//     more, and give a disk that a kernel takes.
//   - Scaling changes how many zones there are, and what follows from that alone: the share of
//     conventional zones, and limits above the number of zones.
package profile
