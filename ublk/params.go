// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"math/bits"
)

// ParamsBytes is the size of struct ublk_params of Linux 7.3. Older kernels have a shorter one and
// cut what is too much.
const ParamsBytes = 152

// Bits of ublk_params.types, include/uapi/linux/ublk_cmd.h.
const (
	paramBasic    = 1 << 0
	paramDiscard  = 1 << 1
	paramZoned    = 1 << 3
	paramDMAAlign = 1 << 4 // Linux 6.15
	paramSegment  = 1 << 5 // Linux 6.15
)

// Bits of ublk_param_basic.attrs.
const (
	attrReadOnly      = 1 << 0
	attrRotational    = 1 << 1
	attrVolatileCache = 1 << 2
	attrFUA           = 1 << 3
)

// Offsets of the blocks within struct ublk_params, bytes.
const (
	offBasic    = 8
	offDiscard  = 40
	offZoned    = 76
	offDMAAlign = 108
	offSegment  = 120
)

// Params describes a disk to the driver (struct ublk_params). Sizes in bytes must be powers of two;
// sectors are 512 bytes. Validate knows the rules.
type Params struct {
	LogicalBlockBytes  uint32
	PhysicalBlockBytes uint32 // 0: as LogicalBlockBytes
	IOMinBytes         uint32 // 0: as PhysicalBlockBytes
	IOOptBytes         uint32 // 0: none
	MaxSectors         uint32 // largest request
	ChunkSectors       uint32 // zone size; requests never cross a multiple of it; 0: no such border
	DevSectors         uint64
	VirtBoundaryMask   uint64

	ReadOnly      bool
	Rotational    bool
	VolatileCache bool // without it every answered write must be durable, and no FLUSH ever comes
	FUA           bool // needs VolatileCache

	Discard      *DiscardParams
	Zoned        *ZonedParams
	DMAAlignment uint32         // mask, for example 511; 0: the driver's 3. Linux 6.15
	Segment      *SegmentParams // Linux 6.15
}

// DiscardParams is struct ublk_param_discard.
type DiscardParams struct {
	AlignmentBytes        uint32
	GranularityBytes      uint32
	MaxDiscardSectors     uint32
	MaxWriteZeroesSectors uint32
	MaxDiscardSegments    uint16
}

// ZonedParams is struct ublk_param_zoned. The zone size is Params.ChunkSectors.
type ZonedParams struct {
	MaxOpen          uint32 // zones, 0: no limit
	MaxActive        uint32 // zones, 0: no limit
	MaxAppendSectors uint32 // never 0: the driver has no emulation of appends
}

// SegmentParams is struct ublk_param_segment.
type SegmentParams struct {
	BoundaryMask uint64
	MaxBytes     uint32
	Max          uint16
}

// Zones is the number of zones, 0 for a disk that isn't zoned.
func (p *Params) Zones() uint64 {
	if p.Zoned == nil || p.ChunkSectors == 0 {
		return 0
	}
	return p.DevSectors / uint64(p.ChunkSectors)
}

// defaulted is p with its zero sizes filled in.
func (p *Params) defaulted() Params {
	q := *p
	if q.PhysicalBlockBytes == 0 {
		q.PhysicalBlockBytes = q.LogicalBlockBytes
	}
	if q.IOMinBytes == 0 {
		q.IOMinBytes = q.PhysicalBlockBytes
	}
	return q
}

// shift is the binary logarithm of a power of two, 0 for 0.
func shift(n uint32) byte { return byte(bits.Len32(n|1) - 1) }

// attrs packs the attribute bits.
func (p *Params) attrs() (a uint32) {
	for _, f := range []struct {
		on  bool
		bit uint32
	}{{p.ReadOnly, attrReadOnly}, {p.Rotational, attrRotational}, {p.VolatileCache, attrVolatileCache},
		{p.FUA, attrFUA}} {
		if f.on {
			a |= f.bit
		}
	}
	return a
}

// Encode lays the parameters out as SET_PARAMS wants them.
func (p *Params) Encode() [ParamsBytes]byte {
	var b [ParamsBytes]byte
	e, q := binary.NativeEndian, p.defaulted()
	e.PutUint32(b[0:], ParamsBytes)
	e.PutUint32(b[4:], q.types())
	e.PutUint32(b[offBasic:], q.attrs())
	b[offBasic+4], b[offBasic+5] = shift(q.LogicalBlockBytes), shift(q.PhysicalBlockBytes)
	b[offBasic+6], b[offBasic+7] = shift(q.IOOptBytes), shift(q.IOMinBytes)
	e.PutUint32(b[offBasic+8:], q.MaxSectors)
	e.PutUint32(b[offBasic+12:], q.ChunkSectors)
	e.PutUint64(b[offBasic+16:], q.DevSectors)
	e.PutUint64(b[offBasic+24:], q.VirtBoundaryMask)
	q.encodeOptional(&b)
	return b
}

// types are the bits of the blocks that are present.
func (p *Params) types() uint32 {
	t := uint32(paramBasic)
	if p.Discard != nil {
		t |= paramDiscard
	}
	if p.Zoned != nil {
		t |= paramZoned
	}
	if p.DMAAlignment != 0 {
		t |= paramDMAAlign
	}
	if p.Segment != nil {
		t |= paramSegment
	}
	return t
}

// encodeOptional lays out the blocks beside the basic one.
func (p *Params) encodeOptional(b *[ParamsBytes]byte) {
	e := binary.NativeEndian
	if d := p.Discard; d != nil {
		e.PutUint32(b[offDiscard:], d.AlignmentBytes)
		e.PutUint32(b[offDiscard+4:], d.GranularityBytes)
		e.PutUint32(b[offDiscard+8:], d.MaxDiscardSectors)
		e.PutUint32(b[offDiscard+12:], d.MaxWriteZeroesSectors)
		e.PutUint16(b[offDiscard+16:], d.MaxDiscardSegments)
	}
	if z := p.Zoned; z != nil {
		e.PutUint32(b[offZoned:], z.MaxOpen)
		e.PutUint32(b[offZoned+4:], z.MaxActive)
		e.PutUint32(b[offZoned+8:], z.MaxAppendSectors)
	}
	e.PutUint32(b[offDMAAlign:], p.DMAAlignment)
	if s := p.Segment; s != nil {
		e.PutUint64(b[offSegment:], s.BoundaryMask)
		e.PutUint32(b[offSegment+8:], s.MaxBytes)
		e.PutUint16(b[offSegment+12:], s.Max)
	}
}
