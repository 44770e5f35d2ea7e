// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"fmt"
)

// Limits of the format as QEMU enforces them (qcow2 specification; maxima of
// tables as in QEMU's qcow2 driver).
const (
	Magic = 0x514649fb // "QFI\xfb"

	MinClusterBits = 9  // 512 bytes
	MaxClusterBits = 21 // 2 MiB

	maxRefcountOrder  = 6
	MaxBackingName    = 1023
	MaxL1Bytes        = 32 << 20
	MaxRefTableBytes  = 8 << 20
	MaxVirtualSize    = 1<<63 - 1
	headerV2Length    = 72
	headerV3Minimum   = 104
	HeaderLength      = 112 // what we write: with the compression type
	MinExtL2ClusterBt = 14  // extended L2 needs subclusters of 512 bytes or more
)

// Byte offsets of header fields that are rewritten in place.
const (
	RefTableField     = 48 // u64 offset, u32 clusters
	IncompatibleField = 72
	AutoclearField    = 88
)

// CompressionType is how compressed clusters are packed.
type CompressionType uint8

// Compression types (qcow2 specification, "compression_type").
const (
	CompressionZlib CompressionType = 0 // raw deflate, no zlib header
	CompressionZstd CompressionType = 1
)

// String is the name qemu-img uses.
func (c CompressionType) String() string {
	switch c {
	case CompressionZlib:
		return "zlib"
	case CompressionZstd:
		return "zstd"
	}
	return fmt.Sprintf("type %d", uint8(c))
}

// Header is the decoded first cluster of an image: the fixed fields (qcow2
// specification, "Header"), the extensions and the backing file name. Offsets
// and sizes are bytes unless the name says otherwise.
type Header struct {
	Version               uint32
	BackingFile           string
	ClusterBits           uint32
	Size                  uint64 // virtual size
	CryptMethod           uint32
	L1Size                uint32 // entries
	L1TableOffset         uint64
	RefcountTableOffset   uint64
	RefcountTableClusters uint32
	SnapshotCount         uint32
	SnapshotsOffset       uint64
	Incompatible          IncompatibleFeatures
	Compatible            CompatibleFeatures
	Autoclear             AutoclearFeatures
	RefcountOrder         uint32 // log2 of the bits of one refcount
	Compression           CompressionType
	Extensions            []Extension

	length uint64 // bytes of the fixed fields as read; the extensions follow
	end    uint64 // byte at which the room for extensions ends, as read
	rest   []byte // header bytes past the fields known here, kept as they are
}

// ClusterSize is the size of a cluster in bytes.
func (h *Header) ClusterSize() uint64 { return 1 << h.ClusterBits }

// BackingFormat is the format of the backing file as the image records it:
// "raw", "qcow2"; empty if it doesn't.
func (h *Header) BackingFormat() string { return h.text(ExtBackingFormat) }

// DataFile is the name of the external data file, empty if none is recorded.
func (h *Header) DataFile() string { return h.text(ExtDataFile) }

// text is the data of the first extension of a type.
func (h *Header) text(t ExtensionType) string {
	for _, data := range FindExtensions(h.Extensions, t) {
		return string(data)
	}
	return ""
}

// RawData says that the external data file is a raw image in itself.
func (h *Header) RawData() bool {
	return h.Incompatible&IncompatDataFile != 0 && h.Autoclear&AutoclearRawExternal != 0
}

// FeatureNames is the image's own feature name table, nil if it has none.
func (h *Header) FeatureNames() []FeatureName {
	for _, data := range FindExtensions(h.Extensions, ExtFeatureNames) {
		return decodeFeatureNames(data)
	}
	return nil
}

// Length is the header's own length in the file in bytes, after which the
// extensions start.
func (h *Header) Length() uint64 { return h.length }

// ExtensionsEnd is the byte of the file at which the room for extensions ends: the
// name of the backing file begins there, or the cluster ends.
func (h *Header) ExtensionsEnd() uint64 { return h.end }

// ParseHeader decodes the first cluster of an image. b may be longer; where it
// is shorter (a file smaller than one cluster) the missing bytes are zeros. It
// judges the encoding only: what the image can be used for is Open's business.
func ParseHeader(b []byte) (*Header, error) {
	bits, err := peekClusterBits(b)
	if err != nil {
		return nil, err
	}
	cluster := make([]byte, 1<<bits)
	copy(cluster, b)
	h := &Header{ClusterBits: bits}
	length, err := h.decodeFixed(cluster)
	if err != nil {
		return nil, err
	}
	if err := h.checkFixed(); err != nil {
		return nil, err
	}
	h.length = uint64(length)
	return h, h.decodeArea(cluster, length)
}

// peekClusterBits judges the first fields: enough to know how much to read.
func peekClusterBits(b []byte) (uint32, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != Magic {
		return 0, ErrNotQcow2
	}
	if len(b) < headerV2Length {
		return 0, fmt.Errorf("%w: only %d bytes of header", ErrTruncated, len(b))
	}
	if v := binary.BigEndian.Uint32(b[4:]); v != 2 && v != 3 {
		return 0, &UnsupportedError{fmt.Sprintf("qcow2 version %d", v), "only versions 2 and 3 are known"}
	}
	bits := binary.BigEndian.Uint32(b[20:])
	if bits < MinClusterBits || bits > MaxClusterBits {
		return 0, Corrupt("header", 20, "says cluster_bits is %d, the format has 9 to 21", bits)
	}
	return bits, nil
}

// decodeFixed reads the fixed fields and returns the header's length in bytes.
func (h *Header) decodeFixed(b []byte) (uint32, error) {
	be := binary.BigEndian
	h.Version = be.Uint32(b[4:])
	h.Size = be.Uint64(b[24:])
	h.CryptMethod = be.Uint32(b[32:])
	h.L1Size = be.Uint32(b[36:])
	h.L1TableOffset = be.Uint64(b[40:])
	h.RefcountTableOffset = be.Uint64(b[RefTableField:])
	h.RefcountTableClusters = be.Uint32(b[RefTableField+8:])
	h.SnapshotCount = be.Uint32(b[60:])
	h.SnapshotsOffset = be.Uint64(b[64:])
	h.RefcountOrder = 4
	if h.Version == 2 {
		return headerV2Length, nil
	}
	h.Incompatible = IncompatibleFeatures(be.Uint64(b[IncompatibleField:]))
	h.Compatible = CompatibleFeatures(be.Uint64(b[80:]))
	h.Autoclear = AutoclearFeatures(be.Uint64(b[AutoclearField:]))
	h.RefcountOrder = be.Uint32(b[96:])
	length := be.Uint32(b[100:])
	if length < headerV3Minimum || length%8 != 0 || uint64(length) > h.ClusterSize() {
		return 0, Corrupt("header", 100, "says it is %d bytes long, which no version 3 header is", length)
	}
	if length >= HeaderLength {
		h.Compression = CompressionType(b[104])
		h.rest = append([]byte(nil), b[105:length]...)
	}
	return length, nil
}

func (h *Header) checkFixed() error {
	switch {
	case h.RefcountOrder > maxRefcountOrder:
		return Corrupt("header", 96, "says refcount_order is %d, the format has 0 to 6", h.RefcountOrder)
	case h.Size > MaxVirtualSize:
		return Corrupt("header", 24, "says the disk has %d bytes, which no disk has", h.Size)
	case (h.Compression != CompressionZlib) != (h.Incompatible&IncompatCompression != 0):
		return Corrupt("header", 104, "has compression type %v and incompatible bit 3 contradict each other", h.Compression)
	case h.Compression > CompressionZstd:
		return &UnsupportedError{fmt.Sprintf("compression %v", h.Compression), "only zlib and zstd are known"}
	case h.Incompatible&IncompatExtendedL2 != 0 && h.ClusterBits < MinExtL2ClusterBt:
		return Corrupt("header", IncompatibleField, "has extended L2 entries with clusters below 16 KiB")
	}
	return nil
}

// decodeArea reads what follows the fixed fields: extensions up to the backing
// file name or the end of the cluster.
func (h *Header) decodeArea(b []byte, length uint32) error {
	end := uint64(len(b))
	if off := binary.BigEndian.Uint64(b[8:]); off != 0 {
		n := uint64(binary.BigEndian.Uint32(b[16:]))
		if off < uint64(length) || n > MaxBackingName || off > end || n > end-off {
			return Corrupt("header", 8, "puts a backing file name of %d bytes at %#x, outside its cluster", n, off)
		}
		h.BackingFile = string(b[off : off+n])
		end = off
	}
	h.end = end
	var err error
	h.Extensions, err = parseExtensions(b[length:end:end])
	return err
}
