// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What Encode lays out is read back here, and in a virtual machine from the kernel.

// errNoBasic says that a buffer of parameters holds no description of a disk.
var errNoBasic = errors.New("ublk parameters hold no basic block: the device has none set yet")

// decodeParams reads what GET_PARAMS answered. Blocks the kernel doesn't have come out as nil or 0.
func decodeParams(b []byte) (*Params, error) {
	if len(b) < offDiscard {
		return nil, fmt.Errorf("ublk parameters: %d bytes, need at least %d", len(b), offDiscard)
	}
	e := binary.NativeEndian
	types := e.Uint32(b[4:])
	if types&paramBasic == 0 {
		return nil, errNoBasic
	}
	// What the kernel says is there counts only as far as it sent it.
	whole := make([]byte, ParamsBytes)
	copy(whole, b[:min(len(b), int(min(e.Uint32(b), ParamsBytes)))])
	p, err := decodeBasic(b[offBasic:])
	if err != nil {
		return nil, err
	}
	p.decodeOptional(whole, types)
	return p, nil
}

// decodeBasic reads the basic block.
func decodeBasic(b []byte) (*Params, error) {
	for i, s := range b[4:8] {
		if s > 31 {
			return nil, fmt.Errorf("ublk parameters: block size shift %d at byte %d is beyond 31", s, offBasic+4+i)
		}
	}
	e, attrs := binary.NativeEndian, binary.NativeEndian.Uint32(b)
	p := &Params{
		LogicalBlockBytes: 1 << b[4], PhysicalBlockBytes: 1 << b[5], IOMinBytes: 1 << b[7],
		MaxSectors: e.Uint32(b[8:]), ChunkSectors: e.Uint32(b[12:]), DevSectors: e.Uint64(b[16:]),
		VirtBoundaryMask: e.Uint64(b[24:]),
		ReadOnly:         attrs&attrReadOnly != 0, Rotational: attrs&attrRotational != 0,
		VolatileCache: attrs&attrVolatileCache != 0, FUA: attrs&attrFUA != 0,
	}
	if b[6] != 0 {
		p.IOOptBytes = 1 << b[6]
	}
	return p, nil
}

// decodeOptional reads the blocks whose type bits are set from the whole structure.
func (p *Params) decodeOptional(b []byte, types uint32) {
	e := binary.NativeEndian
	word := func(off int) uint32 { return e.Uint32(b[off:]) }
	if types&paramDiscard != 0 {
		p.Discard = &DiscardParams{word(offDiscard), word(offDiscard + 4), word(offDiscard + 8), word(offDiscard + 12),
			e.Uint16(b[offDiscard+16:])}
	}
	if types&paramZoned != 0 {
		p.Zoned = &ZonedParams{word(offZoned), word(offZoned + 4), word(offZoned + 8)}
	}
	if types&paramDMAAlign != 0 {
		p.DMAAlignment = word(offDMAAlign)
	}
	if types&paramSegment != 0 {
		p.Segment = &SegmentParams{e.Uint64(b[offSegment:]), word(offSegment + 8), e.Uint16(b[offSegment+12:])}
	}
}
