// SPDX-License-Identifier: Apache-2.0

package ublk

// SectorBytes is the unit of every sector count of the driver and of zone reports, whatever the
// logical block size.
const SectorBytes = 512

// Limits of the driver (include/uapi/linux/ublk_cmd.h) and the ones that keep both kernels safe.
const (
	MaxDepth   = 4096     // UBLK_MAX_QUEUE_DEPTH, tags of one queue
	MaxIOBytes = 32 << 20 // 25 bits of a user-copy position
	MinSectors = 8        // least max_sectors SET_PARAMS takes: one page
)

// MaxZonedSectors is the largest max_sectors of a zoned device, in sectors (1 MiB). A report buffer
// above it makes Linux 7.3 stop with a BUG in block/bio.c.
const MaxZonedSectors = 2048

// ZonesPerSector is the number of report entries in one sector of a REPORT_ZONES request.
const ZonesPerSector = SectorBytes / BlkZoneBytes

// MaxZones is the largest number of zones a device with the given max_sectors may have: the driver
// fills each request of a report from index 0, so that a report must fit into one request.
func MaxZones(maxSectors uint32) uint32 { return ZonesPerSector * min(maxSectors, MaxZonedSectors) }
