// SPDX-License-Identifier: Apache-2.0

// Package fault decides which requests of a device go wrong on purpose, and how:
// with an error, late, or torn.
//
// # How it is used
//
// A [Set] is the rules of a device. Decide asks it about a request and returns what
// is to become of it, nil if nothing. With and Without return changed sets that share
// the counts of the rules they have in common, so that the one in use can be swapped
// while requests ask it.
//
// # Invariants
//
//   - What a rule does to the n-th request that fits it follows from its seed and n
//     alone: the same requests in the same order meet the same faults.
//   - Decide takes no lock.
package fault
