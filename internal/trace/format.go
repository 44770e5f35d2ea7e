// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/binary"
	"io"

	"zqublkd/zoned"
)

// A trace is a header and records of one size, all numbers little-endian:
//
//	header, 128 bytes                      record, 64 bytes
//	  0  "zqtrace\n"                         0  u8  kind
//	  8  u32 version, 1                      1  u8  operation
//	 12  u32 bytes of the header             2  u16 errno
//	 16  u32 bytes of a record               4  u32 zone
//	 20  u32 conventional zones              8  u64 turn
//	 24  u64 size of the disk               16  i64 time
//	 32  u64 zone size                      24  u64 start
//	 40  u64 zone capacity                  32  u64 length
//	 48  u32 limit of open zones            40  u64 place of an append, write pointer
//	 52  u32 limit of active zones          48  u64 latency
//	 56  u64 limit of an append             56  u8  condition of a zone
//	 64  u32 logical block                  57  u8  flags: 1 FUA
//	 68  u32 flags: 1 zoned                 58  u16 queue
//	 72  i64 when it was begun              60  u32 count
//	 80  name of the device, 40 bytes, zeros behind it
//
// Of events dropped 24, 32 and 40 are how many requests, changes of zones and of the
// number of open ones these were.
//
// Later programs may make both longer and add kinds of records; whoever reads
// steps over what he does not know. Anything else is a new version.
const (
	magic       = "zqtrace\n"
	version     = 1
	headerBytes = 128
	recordBytes = 64
	nameBytes   = 40
	maxBytes    = 4096 // that a header or record of a later program may have

	flagZoned = 1
	flagFUA   = 1
)

func writeHeader(w io.Writer, h Header) error {
	var b [headerBytes]byte
	copy(b[:], magic)
	le := binary.LittleEndian
	for at, v := range map[int]uint32{8: version, 12: headerBytes, 16: recordBytes, 20: h.Geometry.Conventional,
		48: h.Limits.MaxOpen, 52: h.Limits.MaxActive, 64: h.LogicalBlock} {
		le.PutUint32(b[at:], v)
	}
	for at, v := range map[int]uint64{24: h.Geometry.Size, 32: h.Geometry.ZoneSize, 40: h.Geometry.ZoneCapacity,
		56: h.Limits.MaxAppend, 72: uint64(h.Started)} {
		le.PutUint64(b[at:], v)
	}
	if h.Zoned {
		b[68] = flagZoned
	}
	copy(b[80:80+nameBytes], h.Name)
	_, err := w.Write(b[:])
	return err
}

func decodeHeader(b []byte) Header {
	le := binary.LittleEndian
	name, _, _ := bytes.Cut(b[80:80+nameBytes], []byte{0})
	return Header{
		Geometry: zoned.Geometry{Size: le.Uint64(b[24:]), ZoneSize: le.Uint64(b[32:]), ZoneCapacity: le.Uint64(b[40:]),
			Conventional: le.Uint32(b[20:])},
		Limits: zoned.Limits{MaxOpen: le.Uint32(b[48:]), MaxActive: le.Uint32(b[52:]),
			MaxAppend: le.Uint64(b[56:])},
		LogicalBlock: le.Uint32(b[64:]), Zoned: b[68]&flagZoned != 0,
		Started: int64(le.Uint64(b[72:])), Name: string(name),
	}
}

// encodeRecord sets all of b.
func encodeRecord(b *[recordBytes]byte, r *Record) {
	*b = [recordBytes]byte{}
	le := binary.LittleEndian
	b[0], b[1] = byte(r.Kind), byte(r.Op)
	le.PutUint16(b[2:], r.Errno)
	le.PutUint32(b[4:], r.Zone)
	le.PutUint64(b[8:], r.Turn)
	le.PutUint64(b[16:], uint64(r.Time))
	le.PutUint64(b[24:], r.Start)
	le.PutUint64(b[32:], r.Length)
	le.PutUint64(b[40:], r.Place)
	le.PutUint64(b[48:], r.Latency)
	b[56] = byte(r.Cond)
	if r.FUA {
		b[57] = flagFUA
	}
	le.PutUint16(b[58:], r.Queue)
	le.PutUint32(b[60:], r.Count)
	if r.Kind == Dropped || r.Kind == End {
		for k, n := range []uint64{r.Lost.Requests, r.Lost.Zones, r.Lost.Implicit} {
			le.PutUint64(b[24+8*k:], n)
		}
	}
}

func decodeRecord(b []byte) Record {
	le := binary.LittleEndian
	r := Record{
		Kind: Kind(b[0]), Op: Op(b[1]), Errno: le.Uint16(b[2:]), Zone: le.Uint32(b[4:]), Turn: le.Uint64(b[8:]),
		Time: int64(le.Uint64(b[16:])), Start: le.Uint64(b[24:]), Length: le.Uint64(b[32:]), Place: le.Uint64(b[40:]),
		Latency: le.Uint64(b[48:]), Cond: zoned.Condition(b[56]), FUA: b[57]&flagFUA != 0, Queue: le.Uint16(b[58:]),
		Count: le.Uint32(b[60:]),
	}
	if r.Kind == Dropped || r.Kind == End {
		r.Lost = Lost{r.Start, r.Length, r.Place}
		r.Start, r.Length, r.Place = 0, 0, 0
	}
	return r
}
