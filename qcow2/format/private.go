// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"fmt"
)

// PrivateExtension is the header extension of this project (ExtPrivate): what
// the format has no field for. QEMU ignores and preserves it.
//
// Its data is big-endian: u32 version (1), u32 zero, then records of u32 tag,
// u32 length in bytes, data padded to 8 bytes. A tag with bit 31 must be
// understood by whoever writes to the image; other unknown records are kept.
// Large data belongs into clusters of its own with a record pointing to them.
//
//	1           logical block size: u32, bytes
//	0x80000002  zones that are read-only or offline: u32 first zone, u32 zones,
//	            u32 condition (0xd, 0xf) for each run of zones, in order
//	0x80000003  where the counter table is: u64, bytes; an entry for each zone, see
//	            CounterBytes, in clusters of its own
type PrivateExtension struct {
	LogicalBlockSize uint32 // bytes: 512 or 4096; 0 if not recorded

	Conditions ConditionList
	Counters   uint64 // byte at which the counter table is; 0: none
	Unknown    []PrivateRecord
}

// PrivateRecord is a record that this program does not know, or one of the known ones in its stored
// form.
type PrivateRecord struct {
	Tag  uint32
	Data []byte
}

const (
	privateVersion = 1
	PrivateHeader  = 8 // bytes, of the extension and of each record

	TagMustUnderstand   = 1 << 31
	tagLogicalBlockSize = 1
	tagConditions       = 2 | TagMustUnderstand
	tagCounters         = 3 | TagMustUnderstand
)

// DefaultLogicalBlockSize is that of images that don't record one, in bytes.
const DefaultLogicalBlockSize = 512

// ParsePrivate decodes the data of the header extension.
func ParsePrivate(b []byte) (*PrivateExtension, error) {
	if len(b) < PrivateHeader {
		return nil, fmt.Errorf("private extension has %d bytes, too few for its version: %w", len(b), ErrCorrupt)
	}
	if v := binary.BigEndian.Uint32(b); v != privateVersion {
		return nil, &UnsupportedError{fmt.Sprintf("private extension version %d", v), "use the zqublkd that made the image, or a newer one"}
	}
	p := new(PrivateExtension)
	seen := make(map[uint32]bool)
	for b = b[PrivateHeader:]; len(b) > 0; {
		r, n, err := parseRecord(b)
		if err != nil {
			return nil, err
		}
		known := r.Tag == tagLogicalBlockSize || r.Tag == tagConditions || r.Tag == tagCounters
		if known && seen[r.Tag] {
			return nil, fmt.Errorf("private extension has record %#x twice: %w", r.Tag, ErrCorrupt)
		}
		seen[r.Tag] = known
		if err := p.adopt(r); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return p, nil
}

// parseRecord returns the first record of b and its padded length in bytes.
func parseRecord(b []byte) (PrivateRecord, uint64, error) {
	if len(b) < PrivateHeader {
		return PrivateRecord{}, 0, fmt.Errorf("private extension ends within a record: %w", ErrCorrupt)
	}
	r := PrivateRecord{Tag: binary.BigEndian.Uint32(b)}
	length := uint64(binary.BigEndian.Uint32(b[4:]))
	padded := PrivateHeader + RoundUp(length, 8)
	if padded > uint64(len(b)) {
		return r, 0, fmt.Errorf("private extension ends within record %d: %w", r.Tag, ErrCorrupt)
	}
	r.Data = b[PrivateHeader:][:length:length]
	return r, padded, nil
}

func (p *PrivateExtension) adopt(r PrivateRecord) (err error) {
	switch r.Tag {
	case tagLogicalBlockSize:
		return p.adoptBlockSize(r)
	case tagConditions:
		p.Conditions, err = parseConditions(r.Data)
		return err
	case tagCounters:
		p.Counters, err = parseCounters(r.Data)
		return err
	}
	p.Unknown = append(p.Unknown, r)
	return nil
}

func (p *PrivateExtension) adoptBlockSize(r PrivateRecord) error {
	if len(r.Data) != 4 {
		return fmt.Errorf("private extension has a logical block size of %d bytes' width: %w", len(r.Data), ErrCorrupt)
	}
	p.LogicalBlockSize = binary.BigEndian.Uint32(r.Data)
	if !ValidLogicalBlock(p.LogicalBlockSize) {
		return &UnsupportedError{fmt.Sprintf("logical block size %d", p.LogicalBlockSize), "512 and 4096 are known"}
	}
	return nil
}

// MustUnderstand is the first record a writer would have to understand.
func (p *PrivateExtension) MustUnderstand() error {
	for _, r := range p.Unknown {
		if r.Tag&TagMustUnderstand != 0 {
			return &UnsupportedError{fmt.Sprintf("private record %#x", r.Tag), "open it read-only, or use a newer zqublkd"}
		}
	}
	return nil
}

// Encode returns the data of the header extension.
func (p *PrivateExtension) Encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, privateVersion)
	b = binary.BigEndian.AppendUint32(b, 0)
	if p.LogicalBlockSize != 0 {
		size := binary.BigEndian.AppendUint32(nil, p.LogicalBlockSize)
		b = PrivateRecord{tagLogicalBlockSize, size}.append(b)
	}
	if len(p.Conditions) > 0 {
		b = PrivateRecord{tagConditions, p.Conditions.encode()}.append(b)
	}
	if p.Counters != 0 {
		b = PrivateRecord{tagCounters, binary.BigEndian.AppendUint64(nil, p.Counters)}.append(b)
	}
	for _, r := range p.Unknown {
		b = r.append(b)
	}
	return b
}

func (r PrivateRecord) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.Tag)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Data)))
	b = append(b, r.Data...)
	return append(b, make([]byte, RoundUp(uint64(len(r.Data)), 8)-uint64(len(r.Data)))...)
}

// ValidLogicalBlock reports whether n is a logical block size, in bytes.
func ValidLogicalBlock(n uint32) bool { return n == 512 || n == 4096 }
