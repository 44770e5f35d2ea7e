// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"fmt"
)

// ExtensionType is the magic number of a header extension.
type ExtensionType uint32

// Header extensions (qcow2 specification, "Header extensions").
const (
	ExtEnd           ExtensionType = 0
	ExtBackingFormat ExtensionType = 0xe2792aca
	ExtFeatureNames  ExtensionType = 0x6803f857
	ExtBitmaps       ExtensionType = 0x23852875
	ExtEncryption    ExtensionType = 0x0537be77
	ExtDataFile      ExtensionType = 0x44415441
	ExtZoned         ExtensionType = 0x007a6264 // "\0zbd", the zoned format series
	ExtPrivate       ExtensionType = 0x7a717562 // "zqub", ours: see PrivateExtension
	ExtVoid          ExtensionType = 0x7a717576 // "zquv", ours: its data means nothing
)

// Extension is one header extension. Unknown ones are kept as they are.
type Extension struct {
	Type ExtensionType
	Data []byte
}

const ExtensionHeader = 8 // bytes: u32 type, u32 length, big-endian

// parseExtensions reads the extension area b up to the end marker or, as QEMU
// does, up to the end of the area. A length past the end is refused even of the
// end marker, which has no data.
func parseExtensions(b []byte) ([]Extension, error) {
	var list []Extension
	for len(b) >= ExtensionHeader {
		e := Extension{Type: ExtensionType(binary.BigEndian.Uint32(b))}
		length := uint64(binary.BigEndian.Uint32(b[4:]))
		b = b[ExtensionHeader:]
		if length > uint64(len(b)) {
			return nil, fmt.Errorf("header extension %#08x is %d bytes long, past the end of the header: %w",
				uint32(e.Type), length, ErrCorrupt)
		}
		if e.Type == ExtEnd {
			return list, nil
		}
		e.Data = b[:length:length]
		list = append(list, e)
		b = b[min(RoundUp(length, 8), uint64(len(b))):]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("header extensions end %d bytes before the header does, without an end marker: %w", len(b), ErrCorrupt)
	}
	return list, nil
}

// AppendExtensions writes the list and the end marker, data padded to 8 bytes.
func AppendExtensions(b []byte, list []Extension) []byte {
	for _, e := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(e.Type))
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.Data)))
		b = append(b, e.Data...)
		b = append(b, make([]byte, RoundUp(uint64(len(e.Data)), 8)-uint64(len(e.Data)))...)
	}
	return append(b, make([]byte, ExtensionHeader)...)
}

// FindExtensions returns the data of every extension of type t.
func FindExtensions(list []Extension, t ExtensionType) [][]byte {
	var found [][]byte
	for _, e := range list {
		if e.Type == t {
			found = append(found, e.Data)
		}
	}
	return found
}
