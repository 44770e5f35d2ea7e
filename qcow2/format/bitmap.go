// SPDX-License-Identifier: Apache-2.0

package format

import "encoding/binary"

// Bitmaps (qcow2 specification, "Bitmaps extension"; limits as QEMU has them).
const (
	BitmapExtension = 24 // bytes
	bitmapFixed     = 24 // bytes of a directory entry before its variable part
	MaxBitmapDir    = 64 << 20
	MaxBitmaps      = 65535
	MaxBitmapTable  = 64 << 20 // bytes
	MaxBitmapBytes  = 512 << 20
	MaxBitmapName   = 1023

	BitmapKnownFlags  = BitmapInUse | 1<<1 // in_use, auto
	BitmapDirty       = 1                  // the one type there is
	BitmapAllOnes     = 1 << 0             // of a table entry without a cluster
	MinGranularity    = 9                  // log2 of bytes
	MaxGranularity    = 31
	BitmapEntryUnused = ^uint64(OffsetMask) &^ BitmapAllOnes
)

// BitmapInUse is the flag of a bitmap that may be behind the disk: nobody must
// rely on it (qcow2 specification, "Bitmap directory", flag in_use).
const BitmapInUse = 1 << 0

const BitmapFlags = 12 // byte of the u32 flags in a directory entry

// BitmapEntryLength is the padded length of the first entry, 0 if cut off.
func BitmapEntryLength(dir []byte) uint64 {
	if len(dir) < bitmapFixed {
		return 0
	}
	name, extra := binary.BigEndian.Uint16(dir[18:]), binary.BigEndian.Uint32(dir[20:])
	n := RoundUp(bitmapFixed+uint64(name)+uint64(extra), 8)
	if n > uint64(len(dir)) {
		return 0
	}
	return n
}

// BitmapEntry is an entry of the bitmap directory.
type BitmapEntry struct {
	At          uint64 // byte offset in the file
	Table       uint64 // byte offset of its table
	Entries     uint32 // of the table
	Flags       uint32
	Kind        uint8
	Granularity uint8
	Extra       uint32 // bytes
	Name        []byte
}

// ParseBitmapEntry decodes the first entry of b, which holds all of it.
func ParseBitmapEntry(b []byte, at uint64) BitmapEntry {
	be := binary.BigEndian
	e := BitmapEntry{At: at, Table: be.Uint64(b), Entries: be.Uint32(b[8:]), Flags: be.Uint32(b[BitmapFlags:]),
		Kind: b[16], Granularity: b[17], Extra: be.Uint32(b[20:])}
	e.Name = b[bitmapFixed+uint64(e.Extra):][:be.Uint16(b[18:])]
	return e
}
