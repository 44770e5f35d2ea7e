// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"fmt"
)

// BlkZoneBytes is the size of one report entry in bytes.
const BlkZoneBytes = 64

// ZoneType is enum blk_zone_type, include/uapi/linux/blkzoned.h.
type ZoneType uint8

// Zone types; the driver refuses sequential-preferred (3).
const (
	ZoneConventional ZoneType = 1
	ZoneSequential   ZoneType = 2 // BLK_ZONE_TYPE_SEQWRITE_REQ
)

// String is the name of the type.
func (t ZoneType) String() string {
	switch t {
	case ZoneConventional:
		return "CONVENTIONAL"
	case ZoneSequential:
		return "SEQ_WRITE_REQUIRED"
	}
	return fmt.Sprintf("TYPE_%d", uint8(t))
}

// ZoneCond is enum blk_zone_cond, include/uapi/linux/blkzoned.h.
type ZoneCond uint8

// Zone conditions.
const (
	CondNotWP        ZoneCond = 0x0 // conventional: no write pointer
	CondEmpty        ZoneCond = 0x1
	CondImplicitOpen ZoneCond = 0x2
	CondExplicitOpen ZoneCond = 0x3
	CondClosed       ZoneCond = 0x4
	CondReadOnly     ZoneCond = 0xD
	CondFull         ZoneCond = 0xE
	CondOffline      ZoneCond = 0xF
)

var condNames = map[ZoneCond]string{
	CondNotWP: "NOT_WP", CondEmpty: "EMPTY", CondImplicitOpen: "IMP_OPEN", CondExplicitOpen: "EXP_OPEN",
	CondClosed: "CLOSED", CondReadOnly: "READONLY", CondFull: "FULL", CondOffline: "OFFLINE",
}

// String is the kernel's name without its prefix.
func (c ZoneCond) String() string {
	if s, ok := condNames[c]; ok {
		return s
	}
	return fmt.Sprintf("COND_%#x", uint8(c))
}

// BlkZone is struct blk_zone (include/uapi/linux/blkzoned.h), one entry of a zone report. All
// positions and lengths are in sectors of 512 bytes.
type BlkZone struct {
	Start    uint64
	Len      uint64
	WP       uint64 // absolute
	Capacity uint64
	Type     ZoneType
	Cond     ZoneCond
	NonSeq   bool
	Reset    bool // a reset is recommended
}

// Put writes the entry into the first 64 bytes of b, which must be that long.
func (z *BlkZone) Put(b []byte) {
	_ = b[BlkZoneBytes-1]
	binary.NativeEndian.PutUint64(b[0:], z.Start)
	binary.NativeEndian.PutUint64(b[8:], z.Len)
	binary.NativeEndian.PutUint64(b[16:], z.WP)
	b[24], b[25], b[26], b[27] = byte(z.Type), byte(z.Cond), bit(z.NonSeq), bit(z.Reset)
	clear(b[28:32])
	binary.NativeEndian.PutUint64(b[32:], z.Capacity)
	clear(b[40:BlkZoneBytes])
}

// DecodeBlkZone reads an entry from its 64 bytes.
func DecodeBlkZone(b []byte) (BlkZone, error) {
	if len(b) < BlkZoneBytes {
		return BlkZone{}, fmt.Errorf("zone report entry: %d bytes, need %d", len(b), BlkZoneBytes)
	}
	return BlkZone{
		Start: binary.NativeEndian.Uint64(b), Len: binary.NativeEndian.Uint64(b[8:]),
		WP:       binary.NativeEndian.Uint64(b[16:]),
		Capacity: binary.NativeEndian.Uint64(b[32:]),
		Type:     ZoneType(b[24]), Cond: ZoneCond(b[25]), NonSeq: b[26] != 0, Reset: b[27] != 0,
	}, nil
}

// ReportZones writes as many of zones into dst as fit whole and returns the bytes written: the data
// of a REPORT_ZONES answer.
func ReportZones(dst []byte, zones []BlkZone) int {
	n := min(len(dst)/BlkZoneBytes, len(zones))
	for i := range zones[:n] {
		zones[i].Put(dst[i*BlkZoneBytes:])
	}
	return n * BlkZoneBytes
}

// bit is 1 for true.
func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
