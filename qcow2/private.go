package qcow2

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
type PrivateExtension struct {
	LogicalBlockSize uint32 // bytes: 512 or 4096; 0 if not recorded

	conditions conditionList
	unknown    []privateRecord
}

type privateRecord struct {
	tag  uint32
	data []byte
}

const (
	privateVersion = 1
	privateHeader  = 8 // bytes, of the extension and of each record

	tagMustUnderstand   = 1 << 31
	tagLogicalBlockSize = 1
	tagConditions       = 2 | tagMustUnderstand
)

// DefaultLogicalBlockSize is that of images that don't record one, in bytes.
const DefaultLogicalBlockSize = 512

func parsePrivate(b []byte) (*PrivateExtension, error) {
	if len(b) < privateHeader {
		return nil, fmt.Errorf("private extension has %d bytes, too few for its version: %w", len(b), ErrCorrupt)
	}
	if v := binary.BigEndian.Uint32(b); v != privateVersion {
		return nil, &UnsupportedError{fmt.Sprintf("private extension version %d", v), "use the zqublkd that made the image, or a newer one"}
	}
	p := new(PrivateExtension)
	seen := make(map[uint32]bool)
	for b = b[privateHeader:]; len(b) > 0; {
		r, n, err := parseRecord(b)
		if err != nil {
			return nil, err
		}
		known := r.tag == tagLogicalBlockSize || r.tag == tagConditions
		if known && seen[r.tag] {
			return nil, fmt.Errorf("private extension has record %#x twice: %w", r.tag, ErrCorrupt)
		}
		seen[r.tag] = known
		if err := p.adopt(r); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return p, nil
}

// parseRecord returns the first record of b and its padded length in bytes.
func parseRecord(b []byte) (privateRecord, uint64, error) {
	if len(b) < privateHeader {
		return privateRecord{}, 0, fmt.Errorf("private extension ends within a record: %w", ErrCorrupt)
	}
	r := privateRecord{tag: binary.BigEndian.Uint32(b)}
	length := uint64(binary.BigEndian.Uint32(b[4:]))
	padded := privateHeader + roundUp(length, 8)
	if padded > uint64(len(b)) {
		return r, 0, fmt.Errorf("private extension ends within record %d: %w", r.tag, ErrCorrupt)
	}
	r.data = b[privateHeader:][:length:length]
	return r, padded, nil
}

func (p *PrivateExtension) adopt(r privateRecord) (err error) {
	switch r.tag {
	case tagLogicalBlockSize:
		return p.adoptBlockSize(r)
	case tagConditions:
		p.conditions, err = parseConditions(r.data)
		return err
	}
	p.unknown = append(p.unknown, r)
	return nil
}

func (p *PrivateExtension) adoptBlockSize(r privateRecord) error {
	if len(r.data) != 4 {
		return fmt.Errorf("private extension has a logical block size of %d bytes' width: %w", len(r.data), ErrCorrupt)
	}
	p.LogicalBlockSize = binary.BigEndian.Uint32(r.data)
	if !validLogicalBlock(p.LogicalBlockSize) {
		return &UnsupportedError{fmt.Sprintf("logical block size %d", p.LogicalBlockSize), "512 and 4096 are known"}
	}
	return nil
}

// mustUnderstand is the first record a writer would have to understand.
func (p *PrivateExtension) mustUnderstand() error {
	for _, r := range p.unknown {
		if r.tag&tagMustUnderstand != 0 {
			return &UnsupportedError{fmt.Sprintf("private record %#x", r.tag), "open it read-only, or use a newer zqublkd"}
		}
	}
	return nil
}

func (p *PrivateExtension) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, privateVersion)
	b = binary.BigEndian.AppendUint32(b, 0)
	if p.LogicalBlockSize != 0 {
		size := binary.BigEndian.AppendUint32(nil, p.LogicalBlockSize)
		b = privateRecord{tagLogicalBlockSize, size}.append(b)
	}
	if len(p.conditions) > 0 {
		b = privateRecord{tagConditions, p.conditions.encode()}.append(b)
	}
	for _, r := range p.unknown {
		b = r.append(b)
	}
	return b
}

func (r privateRecord) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.tag)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.data)))
	b = append(b, r.data...)
	return append(b, make([]byte, roundUp(uint64(len(r.data)), 8)-uint64(len(r.data)))...)
}

func validLogicalBlock(n uint32) bool { return n == 512 || n == 4096 }
