// SPDX-License-Identifier: Apache-2.0

// Package vm boots a Debian kernel in an emulated machine, runs one command in it, and brings back
// what the command said, its exit status, the files it left in /out, and what the kernel had to
// complain about. The kernels and the guest's userland come from the cache that tests/vm/setup
// fills.
//
// Machines run on KVM where that boots a machine of a few bytes, and are emulated elsewhere.
//
// The machine has no network, but for a wire to another one if that is wanted, and no disk of its
// own: its root is a read-only image under a layer in memory, so every run starts from the same
// state. Host and guest talk over virtio serial ports, one socket pair each: stdout, stderr, kernel
// (the kernel's log), files (a tar of /out) and control.
//
// Invariants: a run is complete only when each stream has delivered its end (a mark of the run's
// own on stdout, stderr and kernel; the end of the archive on files; the exit status on control),
// so nothing is lost when the machine is then switched off. The emulator never outlives its run.
package vm
