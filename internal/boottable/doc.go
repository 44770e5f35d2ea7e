// SPDX-License-Identifier: Apache-2.0

// Package boottable reads /etc/zqublkd/table, the list of images that a machine
// serves, and makes systemd's units of it when the machine boots
// (systemd.generator(7)). docs/table.md is its manual.
//
// # Invariants
//
//   - One bad line costs its own device and no other.
//   - Nothing in a line gets into a unit but as the value it stands for: it is
//     quoted, its % doubled, and what can't be quoted is refused.
//   - A unit is ordered before every mount of its device, by whatever name, and
//     not against a target that the mount of its image waits for.
package boottable
