// SPDX-License-Identifier: Apache-2.0

package ublk

import "zqublkd/uring"

// Backend stands in for the kernel's driver, so that queues and handlers can be run without it.
// Package ublktest has one.
type Backend interface {
	// FD is the descriptor user copies go to, at the positions they have on a char device.
	FD() int
	// Descs is the memory of a queue's descriptors, 24 bytes for each tag.
	Descs(queue int) []byte
	// Command fills in s so that it conveys c. The tag's next request, or its end, comes as a
	// completion of the queue's ring with the user data s has now, and result 0 or -ENODEV.
	Command(s *uring.SQE, c TagCommand)
}

// TagCommand is what a queue tells the driver about a tag: fetch it, or take this answer and fetch
// it again.
type TagCommand struct {
	Queue, Tag uint16
	Fetch      bool   // no answer
	Result     int32  // bytes or -errno
	Sector     uint64 // of a ZONE_APPEND
}

// NewFakeDevice is a device served to b instead of the kernel. Closing it leaves b as it is.
func NewFakeDevice(info DevInfo, b Backend) *Device {
	return &Device{info: info, fd: b.FD(), fake: b}
}

// CopyPosition is where byte off of the request on tag of queue lies on the char device.
func CopyPosition(queue, tag uint16, off uint32) uint64 { return copyPos(queue, tag, off) }
