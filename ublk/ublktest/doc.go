// Package ublktest stands in for the kernel's ublk driver in tests of handlers: requests go through real queues, on real
// rings and threads, to a device that exists only here.
//
// A command of a queue becomes a write to a pipe, in the same ring and so subject to the same links; the sham driver reads
// it, and answers a fetch by a message to the queue's ring. User copies go to a file in memory, at the positions they have
// on a char device.
//
// What the kernel checks is checked here as far as a test needs it: answers are either in full or an errno, one for each
// request. Not simulated: START_DEV, direction and ownership of user copies, the block layer's own splitting and plugging.
//
// Lock order: Driver.mu, then nothing.
package ublktest
