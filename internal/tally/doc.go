// SPDX-License-Identifier: Apache-2.0

// Package tally is what can be counted of a device, in the form that its daemon
// gives out by the control socket and that the views of it (metrics, top) read:
// requests by operation and result, how long they took, where they went, and how
// the zones stand.
//
// # Invariants
//
//   - Counters begin at 0 with a daemon and never fall until it ends; how often a
//     device was recovered is counted for as long as it exists.
//   - Observe takes no memory. A histogram has one writer; who reads it gets a copy.
package tally
