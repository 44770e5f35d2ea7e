// SPDX-License-Identifier: Apache-2.0

// Package unit is what the program has to do with systemd while it runs: the unit that its daemon
// runs in (zqublkd@.service, or a scope for one that add has started), and the journal that the
// daemon writes to. The unit files are in systemd/, internal/boottable makes others.
//
// Where systemd does not run, or refuses, everything here does without it.
package unit
