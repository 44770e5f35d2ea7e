// SPDX-License-Identifier: Apache-2.0

// Package zonemap draws the zones of a disk: for a terminal, with and without
// colour, and as an SVG picture.
//
// Each zone is a cell: a letter for its condition and a bar for how full it is.
// A disk with more zones than a screen has cells shows several zones in each.
//
// # Use
//
//	m := zonemap.New(zones, limits)
//	m.Mark(zone)
//	m.Text(w, zonemap.TextOptions{Width: 80})
//	m.SVG(w, "disk.qcow2")
//
// The package is pure: it reads no device and knows no file.
package zonemap
