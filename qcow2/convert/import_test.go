// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// imported is src as an image, which must be sound.
func imported(t interface {
	Fatalf(string, ...any)
	Fatal(...any)
}, src Source, o ImportOptions) *qcow2.Image {
	m := new(storagetest.Mem)
	if err := Import(src, m, o); err != nil {
		t.Fatal(err)
	}
	qcow2test.MustBeSound(t, m, true)
	i, err := qcow2.Open(m, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func raw(t testing.TB, f storage.File) Source {
	src, err := RawSource(f)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// Whatever lies where in a disk, it is in the image, too, and each write
// pointer is the end of what its zone holds.
func TestImport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const zone, capacity = 256 << 10, 192 << 10
		block := rapid.SampledFrom([]uint32{512, 4096}).Draw(t, "block")
		o := qcow2.CreateOptions{
			Size: 8 * zone, ClusterSize: rapid.SampledFrom([]uint64{512, 4096, 64 << 10, 256 << 10}).Draw(t, "cluster"), LogicalBlockSize: block,
			Zone: &qcow2.ZoneOptions{Size: zone, Capacity: capacity, Conventional: 1, Revision: rapid.SampledFrom(format.Revisions).Draw(t, "layout")},
		}
		disk := storagetest.NewMem(nil)
		size := rapid.Uint64Range(1, 8*zone).Draw(t, "size")
		disk.Truncate(int64(size))
		last := make([]uint64, 8) // by zone: end of its data, from its start
		for range rapid.IntRange(0, 12).Draw(t, "pieces") {
			k := rapid.Uint64Range(0, 7).Draw(t, "zone")
			at, n := rapid.Uint64Range(0, capacity-1).Draw(t, "at"), rapid.Uint64Range(1, 40<<10).Draw(t, "n")
			n = min(n, capacity-at)
			if k*zone+at+n > size {
				continue
			}
			disk.WriteAt(bytes.Repeat([]byte{7}, int(n)), int64(k*zone+at))
			last[k] = max(last[k], at+n)
		}
		src, _ := RawSource(disk)
		i := imported(t, src, ImportOptions{Image: o})
		want := make([]byte, i.VirtualSize())
		disk.ReadAt(want, 0)
		got := make([]byte, i.VirtualSize())
		if err := i.ZonedView().ReadByRule(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the disk differs, %v", err)
		}
		for k, e := range zonesOf(t, i) {
			if k > 0 && e.WP != uint64(k)*zone+format.RoundUp(last[k], uint64(block)) {
				t.Errorf("zone %d: write pointer %d, data up to %d", k, e.WP, last[k])
			}
		}
	})
}

func TestImportQcow2(t *testing.T) {
	m := new(storagetest.Mem)
	i := create(t, m, qcow2.CreateOptions{Size: 10 << 20, ClusterSize: 4096})
	if err := errors.Join(i.WriteAt(qcow2test.Pattern(1, 5000), 0), i.WriteAt(qcow2test.Pattern(2, 1<<20), 4<<20), i.Close()); err != nil {
		t.Fatal(err)
	}
	plain := mustOpen(t, m)
	src, err := ImageSource(plain)
	if err != nil {
		t.Fatal(err)
	}
	i = imported(t, src, ImportOptions{Image: qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{Size: 4 << 20, Revision: "v14"}}})
	zones := zonesOf(t, i)
	if i.VirtualSize() != 12<<20 || zones[0].WP != 8192 || zones[1].WP != 5<<20 || zones[2].WP != 8<<20 {
		t.Errorf("size %d, zones %+v", i.VirtualSize(), zones)
	}
	got, want := make([]byte, 10<<20), make([]byte, 10<<20)
	if err := errors.Join(i.ReadAt(got, 0), plain.ReadAt(want, 0)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the disk differs, %v", err)
	}
	if _, err := ImageSource(i); err == nil {
		t.Error("a zoned source was accepted")
	}
}

// Write pointers that are given count, whatever lies above them.
func TestImportGivenPointers(t *testing.T) {
	disk := storagetest.NewMem(qcow2test.Pattern(3, 4<<20))
	o := qcow2.CreateOptions{LogicalBlockSize: 512, Zone: &qcow2.ZoneOptions{Size: 1 << 20, Capacity: 512 << 10, Conventional: 1}}
	given := []uint64{0, 1<<20 + 1536, 2 << 20, 3<<20 + 512<<10}
	i := imported(t, raw(t, disk), ImportOptions{Image: o, WritePointers: given})
	for k, e := range zonesOf(t, i)[1:] {
		if e.WP != given[k+1] {
			t.Errorf("zone %d: write pointer %d, want %d", k+1, e.WP, given[k+1])
		}
	}
	got, want := make([]byte, 4<<20), qcow2test.Pattern(3, 4<<20)
	for k, wp := range given[1:] {
		clear(want[wp : (k+2)<<20])
	}
	if err := i.ZonedView().ReadByRule(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the disk differs, %v", err)
	}
}

func TestImportRefuses(t *testing.T) {
	zones := func(z qcow2.ZoneOptions) qcow2.CreateOptions { return qcow2.CreateOptions{Zone: &z} }
	for _, c := range []struct {
		name string
		at   uint64
		o    qcow2.CreateOptions
		wps  []uint64
		is   error
		says string
	}{
		{"no zones", 0, qcow2.CreateOptions{}, nil, format.ErrOption, "zone.mode=host-managed"},
		{"odd zones", 0, zones(qcow2.ZoneOptions{Size: 3 << 20}), nil, format.ErrOption, "power of two"},
		{"too small", 0, qcow2.CreateOptions{Size: 1 << 20, Zone: &qcow2.ZoneOptions{Size: 1 << 20}}, nil, format.ErrOption, "below the 4194304 bytes"},
		{"above the capacity", 2<<20 - 1, zones(qcow2.ZoneOptions{Size: 1 << 20, Capacity: 512 << 10}), nil, ErrContent, "zone 1: data at byte 2097151"},
		{"active zones", 2 << 20, zones(qcow2.ZoneOptions{Size: 1 << 20, MaxActive: 1}), nil, ErrContent, "2 zones would be partly written"},
		{"too few pointers", 0, zones(qcow2.ZoneOptions{Size: 1 << 20}), make([]uint64, 3), ErrContent, "3 write pointers for 4 zones"},
		{"pointer outside", 0, zones(qcow2.ZoneOptions{Size: 1 << 20}), make([]uint64, 4), format.ErrRange, "zone 1 can't have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := storagetest.NewMem(make([]byte, 4<<20))
			disk.WriteAt([]byte{1}, 0)
			disk.WriteAt([]byte{1}, int64(c.at))
			err := Import(raw(t, disk), new(storagetest.Mem), ImportOptions{Image: c.o, WritePointers: c.wps})
			if err == nil {
				t.Fatal("accepted")
			}
			mustSay(t, err, c.is, c.says)
		})
	}
}
