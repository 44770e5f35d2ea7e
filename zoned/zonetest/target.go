// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"syscall"

	"zqublkd/zoned"
)

// Target is a zoned device under test. Offsets and lengths are bytes of the
// disk, multiples of Block. A method returns when the request has been
// answered, with 0 or the error number that a caller of the block device gets.
// Requests may come from several goroutines.
type Target interface {
	Geometry() zoned.Geometry
	Limits() zoned.Limits
	Block() uint64 // bytes of a logical block
	MaxIO() uint64 // bytes of the largest request

	Read(off uint64, p []byte) syscall.Errno
	Write(off uint64, p []byte) syscall.Errno
	// Manage does OpOpen, OpClose, OpFinish or OpReset to the zone that starts
	// at byte off.
	Manage(op zoned.Operation, off uint64) syscall.Errno
	ResetAll() syscall.Errno
	// Report lists up to n zones from the one that holds byte off.
	Report(off uint64, n int) ([]zoned.Info, syscall.Errno)
}

// Appender is a Target that takes zone appends: at is where the data went.
type Appender interface {
	Append(zone uint64, p []byte) (at uint64, errno syscall.Errno)
}

// PowerCycler is a Target that can be stopped in good order and started again.
type PowerCycler interface{ PowerCycle() error }

// Degrader is a Target whose sequential zones can become ReadOnly or Offline,
// and Empty again. The other zones may live through a power cycle by it.
type Degrader interface {
	SetCondition(zone uint32, c zoned.Condition) error
}

// Faulter is a Target that can make the I/O of its next write or append fail.
type Faulter interface{ FailNextWrite() }
