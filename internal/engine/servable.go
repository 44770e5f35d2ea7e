// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"

	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// MaxSectors is the largest request, in 512-byte sectors: the most that keeps
// zone reports in one request safe on every kernel.
const MaxSectors = ublk.MaxZonedSectors

// maxZoneSectors is the largest zone, in 512-byte sectors: a power of two that
// struct queue_limits (include/linux/blkdev.h) has an unsigned int for.
const maxZoneSectors = 1 << 31

// Servable reports why the kernel can't take the image as a block device: the
// first reason, with the way out.
func Servable(img *qcow2.Image) error {
	for _, check := range []func(*qcow2.Image) error{checkDisk, checkZones, checkTable, checkLimits} {
		if err := check(img); err != nil {
			return err
		}
	}
	return nil
}

func checkDisk(img *qcow2.Image) error {
	block := uint64(img.LogicalBlockSize())
	if img.VirtualSize() == 0 || img.VirtualSize()%block != 0 {
		return fmt.Errorf("virtual size %d is no multiple of the logical block size %d: `zqublkd export` still reads it", img.VirtualSize(), block)
	}
	return nil
}

func checkZones(img *qcow2.Image) error {
	z := img.Zoned()
	if z == nil {
		return nil
	}
	block := uint64(img.LogicalBlockSize())
	const export = "`zqublkd export` still reads it"
	switch {
	case z.ZoneSize&(z.ZoneSize-1) != 0:
		return fmt.Errorf("zone size %d is no power of two, which the kernel requires: %s", z.ZoneSize, export)
	case img.VirtualSize()%z.ZoneSize != 0:
		return fmt.Errorf("the last zone is short (size %d is no multiple of the zone size %d), which the kernel does not take: %s",
			img.VirtualSize(), z.ZoneSize, export)
	case z.ZoneSize/ublk.SectorBytes > maxZoneSectors:
		return errTooLarge(z)
	case z.Conventional >= z.Zones:
		return fmt.Errorf("all %d zones are conventional, which the kernel does not take as a zoned device: %s", z.Zones, export)
	case z.Zones > ublk.MaxZones(MaxSectors):
		return fmt.Errorf("%d zones are more than the %d the ublk driver can report: create the image with larger zones", z.Zones, ublk.MaxZones(MaxSectors))
	case z.ZoneCapacity%block != 0:
		return fmt.Errorf("zone capacity %d is no multiple of the logical block size %d: create the image with --logical-block-size 512", z.ZoneCapacity, block)
	case z.ZoneSize < block:
		return fmt.Errorf("zone size %d is less than the logical block size %d", z.ZoneSize, block)
	}
	return nil
}

func checkTable(img *qcow2.Image) error {
	block := uint64(img.LogicalBlockSize())
	return img.EachZone(func(i uint32, e format.ZoneEntry) error {
		switch {
		case e.Invalid:
			return errImpossible(i, e)
		case e.Wrapped:
			return fmt.Errorf("zone %d has a wrapped entry (a 32-bit bug of the QEMU that made it): run `zqublkd check --repair all` first", i)
		case e.WP%block != 0:
			return fmt.Errorf("zone %d has its write pointer at %d, no multiple of the logical block size %d", i, e.WP, block)
		}
		return nil
	})
}

func errTooLarge(z *format.ZonedInfo) error {
	return fmt.Errorf("zone size %d is more than the kernel's 1 TiB: `zqublkd export` still reads it", z.ZoneSize)
}

func errImpossible(zone uint32, e format.ZoneEntry) error {
	return fmt.Errorf("zone %d has an impossible write pointer, %#x: see `zqublkd check`", zone, e.WP)
}

func checkLimits(img *qcow2.Image) error {
	z := img.Zoned()
	if z == nil {
		return nil
	}
	block := img.LogicalBlockSize()
	if z.MaxAppendBytes != 0 && z.MaxAppendBytes < block {
		return fmt.Errorf("append limit %d is less than the logical block size %d", z.MaxAppendBytes, block)
	}
	if z.MaxActive != 0 && z.MaxOpen > z.MaxActive {
		return fmt.Errorf("%d open zones are more than %d active ones, and an open zone is active too", z.MaxOpen, z.MaxActive)
	}
	return nil
}

// Params describes the disk to the driver.
func Params(img *qcow2.Image, readOnly bool) *ublk.Params {
	p := &ublk.Params{
		LogicalBlockBytes: img.LogicalBlockSize(),
		MaxSectors:        MaxSectors,
		DevSectors:        img.VirtualSize() / ublk.SectorBytes,
		ReadOnly:          readOnly,
		VolatileCache:     true,
		FUA:               true,
	}
	z := img.Zoned()
	if z == nil {
		p.Discard = plainDiscard(img)
		return p
	}
	p.ChunkSectors = uint32(z.ZoneSize / ublk.SectorBytes)
	p.MaxSectors = min(p.MaxSectors, max(p.ChunkSectors, ublk.MinSectors))
	if z.Zones > ublk.MaxZones(p.MaxSectors) { // small zones: reports need larger requests
		p.MaxSectors = MaxSectors
	}
	p.Zoned = &ublk.ZonedParams{MaxOpen: z.MaxOpen, MaxActive: z.MaxActive, MaxAppendSectors: appendSectors(img)}
	return p
}

// appendSectors is the append limit in sectors; none is as large as a request.
func appendSectors(img *qcow2.Image) uint32 {
	z := img.Zoned()
	n := z.MaxAppendBytes - z.MaxAppendBytes%img.LogicalBlockSize()
	if n == 0 {
		n = MaxSectors * ublk.SectorBytes
	}
	return uint32(min(uint64(n), uint64(MaxSectors*ublk.SectorBytes), z.ZoneCapacity) / ublk.SectorBytes)
}

// plainDiscard lets an ordinary disk give space back, block by block of most
// file systems under an image.
func plainDiscard(img *qcow2.Image) *ublk.DiscardParams {
	const most = 1 << 21 // sectors of one discard: 1 GiB
	return &ublk.DiscardParams{
		GranularityBytes: max(min(uint32(img.ClusterSize()), 4096), img.LogicalBlockSize()), AlignmentBytes: 0,
		MaxDiscardSectors: most, MaxWriteZeroesSectors: most, MaxDiscardSegments: 1,
	}
}
