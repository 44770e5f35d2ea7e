// SPDX-License-Identifier: Apache-2.0

// Package blockdev runs the cases of package zonetest against a zoned block
// device of Linux, which any driver may serve, with direct reads and writes
// and the zone ioctls of include/uapi/linux/blkzoned.h.
//
// The kernel stands between the caller and the device. It cuts requests at zone
// boundaries, answers some without the device, and queues writes to a zone
// behind each other ("zone write plugging", block/blk-zoned.c). When a write
// has failed it refuses all others to that zone until somebody has asked for a
// report of it; a Device does so by itself after each failure. There is no
// system call for zone appends.
//
// The tests of the package want a device: build them with
// `go test -c -tags vm` and see the flags of TestDevice.
package blockdev
