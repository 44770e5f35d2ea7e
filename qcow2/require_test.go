// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// Tests named after requirements on the format, see docs/zone-rules.md.

func TestR25_LayoutOnDisk(t *testing.T) {
	x := format.ZoneExtension{Model: 1, ZoneSize: 0x00100000, ZoneCapacity: 0x000c0000, Conventional: 0x11, Zones: 0x22,
		MaxActive: 0x33, MaxOpen: 0x44, MaxAppendBytes: 0x55, TableOffset: 0x1122334455667788}
	for l, want := range map[*format.ZoneLayout]string{
		format.LayoutV6:  "01000000 00100000 000c0000 00000011 00000022 00000033 00000044 00000055 0000000000000110 1122334455667788",
		format.LayoutV11: "01000000 00000022 0000000000100000 00000000000c0000 00000011 00000033 00000044 00000055 1122334455667788",
	} {
		if diff := cmp.Diff(strings.ReplaceAll(want, " ", ""), hex.EncodeToString(l.Encode(x))); diff != "" {
			t.Errorf("%s: %s", l.Name, diff)
		}
	}
}

func TestR31_BitOnZonedImagesOnly(t *testing.T) {
	zoned := create(t, new(storagetest.Mem), sixteenZones)
	plain := create(t, new(storagetest.Mem), CreateOptions{Size: 1 << 20})
	if zoned.Header().Incompatible != format.IncompatZoned || plain.Header().Incompatible != 0 {
		t.Errorf("zoned %#x, plain %#x", zoned.Header().Incompatible, plain.Header().Incompatible)
	}
}

// Each failing read of an open and each failing operation of a create is an
// error with its errno.
func TestR40_FailuresAreErrors(t *testing.T) {
	m := zonedMem(t, sixteenZones)
	for n := 1; ; n++ {
		rec := storagetest.NewRecorder(m.Clone())
		rec.Inject(storagetest.Fault{Kind: storagetest.OpRead, Nth: n, Err: unix.EIO})
		if _, err := Open(rec, OpenOptions{}); err == nil {
			if n < 5 {
				t.Errorf("read %d of an open failed, and nobody says so", n)
			}
			break
		}
	}
	for n := 1; ; n++ {
		rec := storagetest.NewRecorder(new(storagetest.Mem))
		rec.Inject(storagetest.Fault{Kind: storagetest.OpAny, Nth: n, Err: unix.ENOSPC})
		if err := Create(rec, sixteenZones); err == nil {
			if n < 8 {
				t.Errorf("operation %d of a create failed, and nobody says so", n)
			}
			break
		}
	}
}

func TestR44_TableIsWrittenOnce(t *testing.T) {
	rec := storagetest.NewRecorder(new(storagetest.Mem))
	z := create(t, rec, sixteenZones).Zoned()
	writes := 0
	for _, op := range rec.Ops() {
		at := uint64(op.Off)
		if op.Kind == storagetest.OpWrite && at < z.TableOffset+z.TableSize() && at+uint64(len(op.Data)) > z.TableOffset {
			writes++
		}
	}
	if writes != 1 {
		t.Errorf("%d writes", writes)
	}
}

func TestR47_ExtensionsOfOtherLengths(t *testing.T) {
	for _, n := range []int{0, 1, 43, 45, 47, 49, 52, 55, 57, 64, 1000} {
		_, _, err := format.DetectLayout(make([]byte, n), format.ZoneContext{VirtualSize: 1 << 20, FileSize: 1 << 20, ClusterSize: 1 << 16})
		mustSay(t, err, format.ErrUnsupported, "")
	}
}

// withHeader is an image of 16 zones whose header was changed.
func withHeader(t *testing.T, change func(*format.Header)) *storagetest.Mem {
	m := zonedMem(t, sixteenZones)
	h := mustOpen(t, m).Header()
	change(h)
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.WriteAt(b, 0)
	return m
}

func mustNotOpen(t *testing.T, m *storagetest.Mem, o OpenOptions) {
	t.Helper()
	if _, err := Open(m, o); err == nil {
		t.Errorf("opened with %+v", o)
	}
}

func TestR48_NoZonesInVersion2(t *testing.T) {
	m := withHeader(t, func(h *format.Header) { h.Version, h.Incompatible = 2, 0 })
	mustNotOpen(t, m, OpenOptions{})
	if r := qcow2test.MustCheck(t, m, check.Options{}); len(r.Findings) == 0 {
		t.Error("check has nothing to say")
	}
}

func TestR50_BitAndExtensionTogether(t *testing.T) {
	for name, o := range map[string]OpenOptions{"to read": {ReadOnly: true}, "to write": {}} {
		t.Run(name, func(t *testing.T) {
			mustNotOpen(t, withHeader(t, func(h *format.Header) { h.Extensions = nil }), o)
		})
	}
	mustNotOpen(t, withHeader(t, func(h *format.Header) { h.Incompatible = 0 }), OpenOptions{})
}

func TestR51_UnknownModels(t *testing.T) {
	for _, model := range []byte{0, 2, 3, 255} {
		mustNotOpen(t, withHeader(t, func(h *format.Header) { zonedByte(h, 0, model) }), OpenOptions{ReadOnly: true})
	}
}

func TestR55_ZoneSizeHasADefault(t *testing.T) {
	z := create(t, new(storagetest.Mem), CreateOptions{Size: 1 << 40, Zone: &ZoneOptions{}}).Zoned()
	if z.ZoneSize != 256<<20 || z.Zones != 4096 {
		t.Errorf("%d zones of %d bytes", z.Zones, z.ZoneSize)
	}
}

func TestR65_CheckCountsTheTable(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 9, Order: 4})
	if r := qcow2test.MustCheck(t, im, check.Options{}); !r.Clean() || r.ZoneTableClusters != 1 {
		t.Error(qcow2test.Text(r))
	}
	im.SetRefcount(im.ZoneTable, 2)
	if r := qcow2test.MustCheck(t, im, check.Options{}); r.Leaks != 1 {
		t.Error(qcow2test.Text(r))
	}
	im.SetRefcount(im.ZoneTable, 0)
	if r := qcow2test.MustCheck(t, im, check.Options{}); r.Corruptions != 1 {
		t.Error(qcow2test.Text(r))
	}
}

func TestR69_CreatesVersion3(t *testing.T) {
	m := zonedMem(t, sixteenZones)
	if v := binary.BigEndian.Uint32(m.Bytes()[4:]); v != 3 {
		t.Errorf("version %d", v)
	}
}
