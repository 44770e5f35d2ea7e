// SPDX-License-Identifier: Apache-2.0

// Package ublktest stands in for the kernel's ublk driver in tests of handlers: requests go through
// real queues, on real rings and threads, to a device that exists only here.
//
// A command of a queue becomes a write to a pipe, in the same ring and so subject to the same
// links; the fake driver reads it, and answers a fetch by a message to the queue's ring. User
// copies go to a file in memory, at the positions they have on a char device.
//
// Control stands in for the control node, so that what a daemon asks of the driver, and when, can
// be tested in milliseconds.
//
// What the kernel checks is checked here as far as a test needs it: answers are either in full or
// an errno, one for each request. Not simulated: what START_DEV waits for, direction and ownership
// of user copies, the block layer's own splitting and plugging.
//
// Lock order: Control.mu, then Driver.mu.
package ublktest
