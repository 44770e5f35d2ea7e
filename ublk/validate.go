// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"fmt"
	"math/bits"
)

// ParamError says which parameter breaks which rule, and what to do.
type ParamError struct {
	Field string // name of the field of Params
	Rule  string // in words, with the numbers
}

// Error is the rule in one line.
func (e *ParamError) Error() string { return fmt.Sprintf("disk parameter %s: %s", e.Field, e.Rule) }

// Bounds the block layer sets (block/blk-settings.c) and the driver repeats
// (drivers/block/ublk_drv.c).
const (
	minBlockBytes   = 512
	maxLogicalBytes = 4096    // a page on the machines this runs on
	maxShiftBytes   = 1 << 28 // physical, io_min and io_opt on Linux 7.3
)

// Validate checks every rule that SET_PARAMS and START_DEV would answer by a bare EINVAL, and those
// they let through and that then go wrong (drivers/block/ublk_drv.c and block/blk-zoned.c of Linux
// 6.12 and 7.3). The error is a *ParamError.
func (p *Params) Validate() error {
	q := p.defaulted()
	for _, check := range []func(*Params) *ParamError{
		checkBlocks, checkSize, checkAttrs, checkDiscard, checkZoned, checkZoneLimits, checkDMA,
	} {
		if err := check(&q); err != nil {
			return err
		}
	}
	return nil
}

// ValidateFor is Validate, and checks the parameters against what the device was made with.
func (p *Params) ValidateFor(info DevInfo) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if p.MaxSectors > info.MaxSectors() {
		return broken("MaxSectors", "%d is more than the device's largest request of %d sectors: lower it or add the device with more MaxIOBytes",
			p.MaxSectors, info.MaxSectors())
	}
	if zoned := info.Flags.Has(FeatureZoned); zoned != (p.Zoned != nil) {
		return broken("Zoned", "the device was added with ZONED %v: parameters must have the zoned block exactly then", zoned)
	}
	return nil
}

// broken makes a ParamError.
func broken(field, format string, args ...any) *ParamError {
	return &ParamError{Field: field, Rule: fmt.Sprintf(format, args...)}
}

// isPow2 says whether n is a power of two.
func isPow2[T uint32 | uint64](n T) bool { return bits.OnesCount64(uint64(n)) == 1 }

func checkBlocks(p *Params) *ParamError {
	l := p.LogicalBlockBytes
	if !isPow2(l) || l < minBlockBytes || l > maxLogicalBytes {
		return broken("LogicalBlockBytes", "%d is not one of 512, 1024, 2048 and 4096", l)
	}
	for _, f := range []struct {
		name  string
		bytes uint32
	}{{"PhysicalBlockBytes", p.PhysicalBlockBytes}, {"IOMinBytes", p.IOMinBytes}, {"IOOptBytes", p.IOOptBytes}} {
		if f.bytes != 0 && (!isPow2(f.bytes) || f.bytes > maxShiftBytes) {
			return broken(f.name, "%d is not a power of two up to %d", f.bytes, maxShiftBytes)
		}
	}
	if p.PhysicalBlockBytes < l {
		return broken("PhysicalBlockBytes", "%d is less than the logical block of %d bytes", p.PhysicalBlockBytes, l)
	}
	return nil
}

func checkSize(p *Params) *ParamError {
	block := p.LogicalBlockBytes / SectorBytes
	switch {
	case p.DevSectors == 0:
		return broken("DevSectors", "a disk must have at least one block")
	case p.DevSectors%uint64(block) != 0:
		return broken("DevSectors", "%d is no multiple of the logical block of %d sectors", p.DevSectors, block)
	case p.MaxSectors < MinSectors:
		return broken("MaxSectors", "%d is less than %d, one page", p.MaxSectors, MinSectors)
	case p.MaxSectors > MaxIOBytes/SectorBytes:
		return broken("MaxSectors", "%d is more than %d, the driver's limit", p.MaxSectors, MaxIOBytes/SectorBytes)
	case p.MaxSectors%block != 0:
		return broken("MaxSectors", "%d is no multiple of the logical block of %d sectors", p.MaxSectors, block)
	case p.ChunkSectors%block != 0:
		return broken("ChunkSectors", "%d is no multiple of the logical block of %d sectors", p.ChunkSectors, block)
	}
	return nil
}

func checkAttrs(p *Params) *ParamError {
	if p.FUA && !p.VolatileCache {
		return broken("FUA", "the kernel ignores it without VolatileCache: set both or none")
	}
	return nil
}

func checkDiscard(p *Params) *ParamError {
	d := p.Discard
	switch {
	case d == nil:
		return nil
	case d.GranularityBytes == 0:
		return broken("Discard.GranularityBytes", "0 is refused by the driver: give at least the logical block of %d bytes", p.LogicalBlockBytes)
	case d.MaxDiscardSectors != 0 && d.MaxDiscardSegments != 1:
		return broken("Discard.MaxDiscardSegments", "%d, but a request describes one range only: give 1", d.MaxDiscardSegments)
	case p.Zoned != nil && d.MaxDiscardSectors != 0:
		return broken("Discard.MaxDiscardSectors", "a zoned disk has resets instead of discards: give 0")
	}
	return nil
}

func checkDMA(p *Params) *ParamError {
	if a := uint64(p.DMAAlignment); a != 0 && (!isPow2(a+1) || a >= maxLogicalBytes) {
		return broken("DMAAlignment", "%d is no mask of the form 2^n-1 below 4096", a)
	}
	s := p.Segment
	switch {
	case s == nil:
		return nil
	case s.BoundaryMask != ^uint64(0) && !isPow2(s.BoundaryMask+1):
		return broken("Segment.BoundaryMask", "%#x is no mask of the form 2^n-1", s.BoundaryMask)
	case s.BoundaryMask < 4095:
		return broken("Segment.BoundaryMask", "%#x is less than 0xfff", s.BoundaryMask)
	case s.MaxBytes < 4096:
		return broken("Segment.MaxBytes", "%d is less than 4096", s.MaxBytes)
	}
	return nil
}
