package qcow2

import "encoding/binary"

// Bitmaps (qcow2 specification, "Bitmaps extension"; limits as QEMU has them).
const (
	bitmapExtension = 24 // bytes
	bitmapFixed     = 24 // bytes of a directory entry before its variable part
	maxBitmapDir    = 64 << 20
	maxBitmaps      = 65535
	maxBitmapTable  = 64 << 20 // bytes
	maxBitmapBytes  = 512 << 20
	maxBitmapName   = 1023

	bitmapKnownFlags  = bitmapInUse | 1<<1 // in_use, auto
	bitmapDirty       = 1                  // the one type there is
	bitmapAllOnes     = 1 << 0             // of a table entry without a cluster
	minGranularity    = 9                  // log2 of bytes
	maxGranularity    = 31
	bitmapEntryUnused = ^uint64(offsetMask) &^ bitmapAllOnes
)

// bitmapInUse is the flag of a bitmap that may be behind the disk: nobody must
// rely on it (qcow2 specification, "Bitmap directory", flag in_use).
const bitmapInUse = 1 << 0

const bitmapFlags = 12 // byte of the u32 flags in a directory entry

// bitmapEntryLength is the padded length of the first entry, 0 if cut off.
func bitmapEntryLength(dir []byte) uint64 {
	if len(dir) < bitmapFixed {
		return 0
	}
	name, extra := binary.BigEndian.Uint16(dir[18:]), binary.BigEndian.Uint32(dir[20:])
	n := roundUp(bitmapFixed+uint64(name)+uint64(extra), 8)
	if n > uint64(len(dir)) {
		return 0
	}
	return n
}

// bitmapEntry is an entry of the bitmap directory.
type bitmapEntry struct {
	at          uint64 // byte offset in the file
	table       uint64 // byte offset of its table
	entries     uint32 // of the table
	flags       uint32
	kind        uint8
	granularity uint8
	extra       uint32 // bytes
	name        []byte
}

// parseBitmapEntry decodes the first entry of b, which holds all of it.
func parseBitmapEntry(b []byte, at uint64) bitmapEntry {
	be := binary.BigEndian
	e := bitmapEntry{at: at, table: be.Uint64(b), entries: be.Uint32(b[8:]), flags: be.Uint32(b[bitmapFlags:]),
		kind: b[16], granularity: b[17], extra: be.Uint32(b[20:])}
	e.name = b[bitmapFixed+uint64(e.extra):][:be.Uint16(b[18:])]
	return e
}
