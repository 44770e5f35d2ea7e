// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleHeader() *Header {
	return &Header{
		Version: 3, BackingFile: "base.img", ClusterBits: 12, Size: 1 << 30, CryptMethod: 2, L1Size: 5,
		L1TableOffset: 0x5000, RefcountTableOffset: 0x1000, RefcountTableClusters: 1, SnapshotCount: 3,
		SnapshotsOffset: 0x9000, Incompatible: IncompatZoned | IncompatCompression | 1<<40,
		Compatible: CompatLazyRefcounts, Autoclear: AutoclearBitmaps, RefcountOrder: 6, Compression: CompressionZstd,
		Extensions: []Extension{{ExtBackingFormat, []byte("raw")}, {ExtensionType(0x12345678), []byte{1, 2, 3}}, {ExtZoned, make([]byte, 44)}},
	}
}

func sameHeader(a, b *Header) string {
	return cmp.Diff(a, b, cmpopts.IgnoreUnexported(Header{}), cmpopts.EquateEmpty())
}

func TestHeaderRoundTrip(t *testing.T) {
	v2 := sampleHeader()
	v2.Version, v2.Incompatible, v2.Compatible, v2.Autoclear = 2, 0, 0, 0
	v2.RefcountOrder, v2.Compression = 4, 0
	longer := sampleHeader()
	longer.rest = append(make([]byte, 7), "12345678"...)
	for name, h := range map[string]*Header{"v3": sampleHeader(), "v2": v2, "longer than known": longer} {
		t.Run(name, func(t *testing.T) {
			b, err := h.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if uint64(len(b)) != h.ClusterSize() {
				t.Fatalf("encoded to %d bytes", len(b))
			}
			got, err := ParseHeader(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := sameHeader(h, got); diff != "" {
				t.Error(diff)
			}
			again, err := got.Encode()
			if err != nil || !cmp.Equal(b, again) {
				t.Errorf("encoding again gives other bytes (%v)", err)
			}
		})
	}
}

func TestHeaderRefuses(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
	}
	put64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], v); return b }
	}
	for _, c := range []struct {
		name  string
		spoil func([]byte) []byte
		is    error
		says  string
	}{
		{"empty file", func([]byte) []byte { return nil }, ErrNotQcow2, "not a qcow2 image"},
		{"text file", func([]byte) []byte { return []byte(strings.Repeat("hello ", 100)) }, ErrNotQcow2, "not a qcow2"},
		{"magic only", func(b []byte) []byte { return b[:8] }, ErrTruncated, "8 bytes"},
		{"version", put32(4, 4), ErrUnsupported, "version 4"},
		{"small clusters", put32(20, 8), ErrCorrupt, "cluster_bits is 8"},
		{"large clusters", put32(20, 22), ErrCorrupt, "cluster_bits is 22"},
		{"size", put64(24, 1<<63), ErrCorrupt, "no disk has"},
		{"refcount order", put32(96, 7), ErrCorrupt, "refcount_order is 7"},
		{"short header", put32(100, 96), ErrCorrupt, "96 bytes long"},
		{"odd header", put32(100, 113), ErrCorrupt, "113 bytes long"},
		{"long header", put32(100, 8192), ErrCorrupt, "8192 bytes long"},
		{"compression without bit", put64(IncompatibleField, 0), ErrCorrupt, "contradict"},
		{"compression type", func(b []byte) []byte { b[104] = 9; return b }, ErrUnsupported, "type 9"},
		{"extended L2", put64(IncompatibleField, 0x18), ErrCorrupt, "below 16 KiB"},
		{"extension length", put32(HeaderLength+4, 1<<31), ErrCorrupt, "past the end of the header"},
		{"backing name outside", put64(8, 4090), ErrCorrupt, "backing file name"},
		{"backing name long", put32(16, 1024), ErrCorrupt, "1024 bytes"},
		{"backing name in header", put64(8, 8), ErrCorrupt, "backing file name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := sampleHeader().Encode()
			if err != nil {
				t.Fatal(err)
			}
			_, err = ParseHeader(c.spoil(b))
			mustSay(t, err, c.is, c.says)
		})
	}
}

// Older programs write version 3 headers without a compression type.
func TestShortHeader(t *testing.T) {
	h := sampleHeader()
	h.Incompatible, h.Compression, h.BackingFile, h.Extensions = 0, 0, "", nil
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(b[100:], headerV3Minimum) // its end marker is zeros, as the field was
	got, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := sameHeader(h, got); diff != "" {
		t.Error(diff)
	}
}

func TestHeaderThatDoesNotFit(t *testing.T) {
	h := sampleHeader()
	h.ClusterBits, h.Incompatible = 9, IncompatCompression
	h.Extensions = append(h.Extensions, Extension{ExtBitmaps, make([]byte, 400)})
	if _, err := h.Encode(); err == nil || !strings.Contains(err.Error(), "larger cluster_size") {
		t.Errorf("error %v", err)
	}
}
