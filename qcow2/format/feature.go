// SPDX-License-Identifier: Apache-2.0

package format

import (
	"fmt"
	"strings"

	"zqublkd/internal/printable"
)

// IncompatibleFeatures is the header field at byte 72: bits a reader must know
// to touch the image at all (qcow2 specification, "incompatible_features").
type IncompatibleFeatures uint64

// Incompatible feature bits.
const (
	IncompatDirty       IncompatibleFeatures = 1 << 0
	IncompatCorrupt     IncompatibleFeatures = 1 << 1
	IncompatDataFile    IncompatibleFeatures = 1 << 2
	IncompatCompression IncompatibleFeatures = 1 << 3
	IncompatExtendedL2  IncompatibleFeatures = 1 << 4
	IncompatZoned       IncompatibleFeatures = 1 << 5

	KnownIncompat = IncompatDirty | IncompatCorrupt | IncompatDataFile |
		IncompatCompression | IncompatExtendedL2 | IncompatZoned
)

// String lists the names of the bits that are set.
func (f IncompatibleFeatures) String() string { return listOf(FeatureIncompatible, uint64(f)) }

// CompatibleFeatures is the header field at byte 80: bits safe to ignore.
type CompatibleFeatures uint64

// CompatLazyRefcounts allows refcounts to lag while the dirty bit is set.
const CompatLazyRefcounts CompatibleFeatures = 1 << 0

// String lists the names of the bits that are set.
func (f CompatibleFeatures) String() string { return listOf(FeatureCompatible, uint64(f)) }

// AutoclearFeatures is the header field at byte 88: bits a writer that does not
// maintain what they promise must clear.
type AutoclearFeatures uint64

// Autoclear feature bits.
const (
	AutoclearBitmaps     AutoclearFeatures = 1 << 0
	AutoclearRawExternal AutoclearFeatures = 1 << 1
)

// String lists the names of the bits that are set.
func (f AutoclearFeatures) String() string { return listOf(FeatureAutoclear, uint64(f)) }

func listOf(t FeatureType, bits uint64) string { return strings.Join(NamesOf(nil, t, bits), ", ") }

// FeatureType is the class of a feature bit in the feature name table.
type FeatureType uint8

// Feature classes (qcow2 specification, "Feature name table").
const (
	FeatureIncompatible FeatureType = 0
	FeatureCompatible   FeatureType = 1
	FeatureAutoclear    FeatureType = 2
)

// FeatureName is one entry of the feature name table: what people call a bit.
type FeatureName struct {
	Type FeatureType
	Bit  uint8
	Name string
}

const (
	featureNameEntry = 48 // bytes of one table entry
	featureNameMax   = 46 // bytes of the name in it
)

// FeatureNames are the names QEMU gives the bits, "zoned format" included, in
// the order its patched versions write them.
var FeatureNames = []FeatureName{
	{FeatureIncompatible, 0, "dirty bit"},
	{FeatureIncompatible, 1, "corrupt bit"},
	{FeatureIncompatible, 2, "external data file"},
	{FeatureIncompatible, 3, "compression type"},
	{FeatureIncompatible, 4, "extended L2 entries"},
	{FeatureIncompatible, 5, "zoned format"},
	{FeatureCompatible, 0, "lazy refcounts"},
	{FeatureAutoclear, 0, "bitmaps"},
	{FeatureAutoclear, 1, "raw external data"},
}

// EncodeFeatureNames returns the data of a feature name table.
func EncodeFeatureNames(names []FeatureName) []byte {
	b := make([]byte, len(names)*featureNameEntry)
	for i, n := range names {
		e := b[i*featureNameEntry:][:featureNameEntry]
		e[0], e[1] = byte(n.Type), n.Bit
		copy(e[2:], n.Name)
	}
	return b
}

// decodeFeatureNames reads whole entries and ignores a cut-off rest.
func decodeFeatureNames(b []byte) []FeatureName {
	var names []FeatureName
	for ; len(b) >= featureNameEntry; b = b[featureNameEntry:] {
		name, _, _ := strings.Cut(string(b[2:2+featureNameMax]), "\x00")
		names = append(names, FeatureName{FeatureType(b[0]), b[1], name})
	}
	return names
}

// nameOf looks a bit up in the image's own table first: it may know features
// younger than this program.
func nameOf(table []FeatureName, t FeatureType, bit uint8) string {
	for _, names := range [][]FeatureName{table, FeatureNames} {
		for _, n := range names {
			if n.Type == t && n.Bit == bit && n.Name != "" {
				return printable.Text(n.Name)
			}
		}
	}
	return fmt.Sprintf("unknown feature bit %d", bit)
}

// NamesOf lists the names of bits.
func NamesOf(table []FeatureName, t FeatureType, bits uint64) []string {
	var names []string
	for bit := uint8(0); bit < 64; bit++ {
		if bits>>bit&1 != 0 {
			names = append(names, nameOf(table, t, bit))
		}
	}
	return names
}
