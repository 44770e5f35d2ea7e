// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"fmt"
)

// IODescBytes is the size of a request's descriptor (struct ublksrv_io_desc) in bytes.
const IODescBytes = 24

// IODesc is struct ublksrv_io_desc (include/uapi/linux/ublk_cmd.h): what a request asks for. The
// driver writes it into the queue's mapped array before it hands the tag over; Queue.Desc copies it
// out.
type IODesc struct {
	opFlags uint32
	nr      uint32
	start   uint64
	addr    uint64 // of a buffer, in modes that have one; 0 with user copy
}

// NewIODesc makes a descriptor, for tests and simulated requests. n counts sectors, or zones for
// REPORT_ZONES.
func NewIODesc(op Op, flags OpFlags, start uint64, n uint32) IODesc {
	return IODesc{opFlags: uint32(op) | uint32(flags)&^0xff, nr: n, start: start}
}

// Encode writes the descriptor's 24 bytes into b.
func (d IODesc) Encode(b []byte) {
	_ = b[IODescBytes-1]
	binary.NativeEndian.PutUint32(b, d.opFlags)
	binary.NativeEndian.PutUint32(b[4:], d.nr)
	binary.NativeEndian.PutUint64(b[8:], d.start)
	binary.NativeEndian.PutUint64(b[16:], d.addr)
}

// Op is the operation.
func (d IODesc) Op() Op { return Op(d.opFlags) }

// Flags are the request's flags.
func (d IODesc) Flags() OpFlags { return OpFlags(d.opFlags &^ 0xff) }

// FUA says that the data must be durable before the answer.
func (d IODesc) FUA() bool { return OpFlags(d.opFlags)&FlagFUA != 0 }

// StartSector is the first sector (512 bytes); the zone's start for zone operations and appends.
func (d IODesc) StartSector() uint64 { return d.start }

// Sectors is the length in sectors (512 bytes). Meaningless for REPORT_ZONES, 0 for most zone
// operations.
func (d IODesc) Sectors() uint32 { return d.nr }

// Zones is the number of zones a REPORT_ZONES asks for.
func (d IODesc) Zones() uint32 { return d.nr }

// Offset is the first byte of the request on the disk. Meaningless for FLUSH.
func (d IODesc) Offset() uint64 { return d.start * SectorBytes }

// Bytes is the length in bytes; for REPORT_ZONES that of the entries asked for.
func (d IODesc) Bytes() uint64 {
	if d.Op() == OpReportZones {
		return uint64(d.nr) * BlkZoneBytes
	}
	return uint64(d.nr) * SectorBytes
}

// String prints the request in one line, units in words.
func (d IODesc) String() string {
	s := d.Op().String()
	switch {
	case d.Op() == OpFlush || d.Op() == OpZoneResetAll:
	case d.Op() == OpReportZones:
		s += fmt.Sprintf(" %d zones from sector %d", d.nr, d.start)
	case d.Op().Zone():
		s += fmt.Sprintf(" at sector %d", d.start)
	default:
		s += fmt.Sprintf(" %d sectors at sector %d", d.nr, d.start)
	}
	if f := d.Flags(); f != 0 {
		s += " " + f.String()
	}
	return s
}
