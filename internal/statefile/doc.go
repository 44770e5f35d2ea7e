// SPDX-License-Identifier: Apache-2.0

// Package statefile is what outlives the daemon of a device: the state of its
// zones as it was acknowledged, and the writes and appends in flight, in a file
// on tmpfs that is mapped into the daemon. The daemon that takes the device over
// goes on with exactly that.
//
// # How it is used
//
// [Create] makes the file of a new device, [Take] opens the one that a
// dead daemon has left. The engine publishes each change before the kernel hears
// of it: SetZone the state of a zone, Begin, Commit and Free what a tag has in
// flight. A nil [File] keeps nothing.
//
// # Invariants
//
//   - Every change is one store of 8 bytes, so that a process may die anywhere.
//   - The file is allocated in full when it is made: a full tmpfs is an error then,
//     and not a signal later.
//   - A state of another boot, image or shape of device is refused.
//
// There are no locks: words are atomic, and each has one writer at a time, the
// zone's lock holder or the tag's queue.
package statefile
