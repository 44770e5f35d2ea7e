// SPDX-License-Identifier: Apache-2.0

// Package zonetest is a list of named cases that any host-managed zoned device
// must pass: which operation a zone accepts in which condition, where its
// write pointer goes, what its bytes read, who may hold the open and active
// slots. A device is anything that implements Target: rules in memory, a
// server over a file, a block device of the kernel.
//
// The cases say what they expect by hand and share no code with the rules of
// package zoned, only its names. Every case starts on a device whose
// sequential zones are empty. Besides what it asks for itself:
//
//   - Each report is sane: zones where the geometry has them, conditions and
//     write pointers that agree, no limit passed.
//   - A refused request changes no zone. One that succeeds changes its own
//     zone, and closes one other at most: one that was opened implicitly, and
//     only if all open slots were taken and the request needed one.
//   - In the end the data of every zone is what was written to it, and exactly
//     as many slots are free as the conditions of the zones leave.
//   - Every request is answered within AnswerTime.
//
// A device that is known to answer otherwise somewhere has Differences: such a
// case must fail, in the way that is written down, or the entry is stale.
package zonetest
