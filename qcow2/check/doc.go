// SPDX-License-Identifier: Apache-2.0

// Package check compares the refcounts of a qcow2 image with the references to
// its clusters, as `qemu-img check` does, and looks at what that does not know:
// the zone table and our own extension. It repairs what it is asked to.
//
// # How it is used
//
//	r, err := check.Check(f, check.Options{Repair: check.RepairLeaks})
//	// err: the check could not be done; r.Findings: what is wrong with the image
//
// # Invariants
//
//   - Without a repair mode nothing is written.
//   - Nothing is freed while damage may hide references to it.
//   - A repair may be cut off anywhere: no cluster has lost a reference by then, and
//     another repair gets to the same end. It never leaves more errors than it found.
//   - Memory and time are bounded whatever the image says.
//
// It works on a file that nobody else has open. It has no locks.
package check
