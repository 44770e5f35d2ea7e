package qcow2

import "encoding/binary"

// Bitmaps (qcow2 specification, "Bitmaps extension").
const (
	bitmapExtension = 24 // bytes
	bitmapFixed     = 24 // bytes of a directory entry before its variable part
	maxBitmapDir    = 64 << 20
	maxBitmaps      = 65535
	maxBitmapTable  = 64 << 20 // bytes
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
