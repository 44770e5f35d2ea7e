// SPDX-License-Identifier: Apache-2.0

// Package background runs a daemon behind the verb that has started it: add waits until the device
// can be used ([Spawn]), the daemon says so and leaves the terminal ([Detach]), and a supervisor
// brings it back when it dies ([Supervise]). [Harden] makes a process fit to serve a disk that the
// machine may swap or write dirty pages to.
package background
