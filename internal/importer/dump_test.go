// SPDX-License-Identifier: Apache-2.0

package importer

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/format"
)

const testZone = 1 << 20

// sampleDump is one of eight zones with a capacity of 768 KiB, the first
// conventional: as struct zbd_info and struct zbd_zone lie in the file.
func sampleDump() []byte {
	le := binary.LittleEndian
	b := make([]byte, dumpHeader+8*dumpZone)
	copy(b, "vendor")
	le.PutUint64(b[32:], 8*testZone/512)
	le.PutUint64(b[56:], testZone)
	le.PutUint32(b[64:], testZone/512)
	le.PutUint32(b[68:], 4096)
	le.PutUint32(b[72:], 4096)
	le.PutUint32(b[76:], 8)
	le.PutUint32(b[80:], unlimited)
	le.PutUint32(b[84:], 4)
	le.PutUint32(b[88:], 1)
	le.PutUint32(b[132:], 8)
	for k, z := range []struct{ wp, kind, condition uint64 }{
		{0, 1, 0}, {0, 2, 1}, {4096, 2, 2}, {8192, 2, 4}, {testZone, 2, 14}, {0, 2, 3}, {0, 2, 13}, {0, 2, 15},
	} {
		put := b[dumpHeader+k*dumpZone:]
		start := uint64(k) * testZone
		le.PutUint64(put, start)
		le.PutUint64(put[8:], testZone)
		le.PutUint64(put[16:], 768<<10)
		le.PutUint64(put[24:], start+z.wp)
		le.PutUint32(put[36:], uint32(z.kind))
		le.PutUint32(put[40:], uint32(z.condition))
	}
	le.PutUint64(b[dumpHeader+16:], testZone) // a conventional zone is all usable
	return b
}

func TestImportDump(t *testing.T) {
	dir := t.TempDir()
	info, image := filepath.Join(dir, "nvme0n1"+infoSuffix), filepath.Join(dir, "disk.qcow2")
	data := make([]byte, 8*testZone)
	for k := range data {
		data[k] = byte(k>>9) | 1
	}
	clear(data[6*testZone+10000 : 7*testZone])
	if err := errors.Join(os.WriteFile(info, sampleDump(), 0o600), os.WriteFile(filepath.Join(dir, "nvme0n1"+dataSuffix), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := Import(info, image, Options{Force: false, Image: qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{Revision: "v14"}}}); err != nil {
		t.Fatal(err)
	}
	f, err := storage.Open(image, storage.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	z := i.Zoned()
	if z.Revision != "v14" || z.ZoneCapacity != 768<<10 || z.Conventional != 1 || z.MaxActive != 4 || z.MaxOpen != 4 || i.LogicalBlockSize() != 4096 {
		t.Errorf("zones %+v, blocks of %d", z, i.LogicalBlockSize())
	}
	pointers := []uint64{0, testZone, 2*testZone + 4096, 3*testZone + 8192, 4*testZone + 768<<10, 5 * testZone, 6*testZone + 12288, 7 * testZone}
	err = i.EachZone(func(zone uint32, e format.ZoneEntry) error {
		if e.WP != pointers[zone] {
			t.Errorf("zone %d: write pointer %d, want %d", zone, e.WP, pointers[zone])
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	want := []format.ConditionRun{{First: 6, Zones: 1, Condition: format.ZoneReadOnly}, {First: 7, Zones: 1, Condition: format.ZoneOffline}}
	if got := i.ZoneConditions(); !slices.Equal(got, want) {
		t.Errorf("conditions %v, want %v", got, want)
	}
	got := make([]byte, 768<<10)
	if err := i.ReadAt(got, 4*testZone); err != nil || string(got) != string(data[4*testZone:][:768<<10]) {
		t.Errorf("data of zone 4 differs: %v", err)
	}
}

func TestImportLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	disk, image := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	data := make([]byte, 2<<20)
	data[len(data)-1] = 1
	if err := os.WriteFile(disk, data, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Import(disk, image, Options{Force: false, Image: qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{Size: 1 << 20, Capacity: 512 << 10}}})
	if !errors.Is(err, convert.ErrContent) {
		t.Fatal(err)
	}
	if _, err := os.Stat(image); !os.IsNotExist(err) {
		t.Errorf("something is left: %v", err)
	}
	if err := os.WriteFile(image, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Import(disk, image, Options{Force: true, Image: qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{Size: 3 << 20}}}); !errors.Is(err, format.ErrOption) {
		t.Fatal(err)
	}
	if s, err := os.Stat(image); err != nil || s.Size() != int64(len(data)) {
		t.Errorf("wrong options have touched the file: %v", err)
	}
}

func TestParseDumpRefuses(t *testing.T) {
	le := binary.LittleEndian
	zone := func(k int) int { return dumpHeader + k*dumpZone }
	for _, c := range []struct {
		name  string
		spoil func(b []byte) []byte
		says  string
	}{
		{"short", func(b []byte) []byte { return b[:100] }, "its header 192"},
		{"cut", func(b []byte) []byte { return b[:len(b)-64] }, "not those of 8 zones"},
		{"no zones", func(b []byte) []byte { le.PutUint32(b[76:], 0); return b }, "0 zones"},
		{"too many zones", func(b []byte) []byte { le.PutUint32(b[76:], 1<<31); return b }, "zones, outside"},
		{"no size", func(b []byte) []byte { le.PutUint64(b[56:], 0); return b }, "don't make a device"},
		{"huge", func(b []byte) []byte { le.PutUint64(b[32:], 1<<60); return b }, "don't make a device"},
		{"a part", func(b []byte) []byte { le.PutUint32(b[128:], 2); return b }, "zones 2 to 7 only"},
		{"start", func(b []byte) []byte { le.PutUint64(b[zone(2):], 5); return b }, "zone 2 has"},
		{"capacity", func(b []byte) []byte { le.PutUint64(b[zone(3)+16:], 4096); return b }, "one for all"},
		{"conventional late", func(b []byte) []byte { le.PutUint32(b[zone(3)+36:], 1); return b }, "zone 3 is conventional"},
		{"preferred", func(b []byte) []byte { le.PutUint32(b[zone(3)+36:], 3); return b }, "type 3"},
		{"conventional offline", func(b []byte) []byte { le.PutUint32(b[zone(0)+40:], condOffline); return b }, "offline"},
		{"condition", func(b []byte) []byte { le.PutUint32(b[zone(3)+40:], 7); return b }, "condition 7"},
		{"write pointer", func(b []byte) []byte { le.PutUint64(b[zone(3)+24:], 1); return b }, "write pointer at 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseDump(c.spoil(sampleDump()))
			if !errors.Is(err, ErrDump) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

func TestDumpAgainstOptions(t *testing.T) {
	d, err := ParseDump(sampleDump())
	if err != nil {
		t.Fatal(err)
	}
	err = d.apply(&qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{Size: 2 << 20}})
	if !errors.Is(err, format.ErrOption) || !strings.Contains(err.Error(), "the dump says 1048576") {
		t.Error(err)
	}
}

// FuzzParseDump: bytes of a dump never do more harm than an error, and what is
// accepted has as many write pointers as zones, each in its zone.
func FuzzParseDump(f *testing.F) {
	f.Add(sampleDump())
	f.Add(make([]byte, dumpHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDump(b)
		if err != nil {
			return
		}
		for k, wp := range d.writePointers() {
			if z := d.Zones[k]; wp != convert.UnknownPointer && (wp < z.Start || wp-z.Start > z.Length) {
				t.Fatalf("zone %d: %+v has its write pointer at %d", k, z, wp)
			}
		}
		d.apply(new(qcow2.CreateOptions))
	})
}
