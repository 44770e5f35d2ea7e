// SPDX-License-Identifier: Apache-2.0

// Package blkdev asks the kernel about block devices, whoever serves them: zone
// reports, zone operations, the attributes in sysfs, and where on a device the
// extents of a file lie.
//
// Offsets and lengths are bytes; the kernel's sectors of 512 bytes don't leave
// this package.
//
// # Use
//
//	d, err := blkdev.Open("/dev/ublkb0", unix.O_RDONLY)
//	zones, err := d.Zones()
//	extents, err := blkdev.FileExtents("/mnt/file")
//
// Facts come from include/uapi/linux/blkzoned.h, fiemap.h and btrfs_tree.h and
// from Documentation/ABI/stable/sysfs-block.
package blkdev
