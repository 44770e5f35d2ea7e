// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func TestVectors(t *testing.T) {
	for _, v := range qcow2test.Vectors(t, "testdata") {
		t.Run(v.File, func(t *testing.T) {
			t.Parallel()
			i, err := Open(v.Image(t), OpenOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			checkVectorInfo(t, &v, i)
			checkVectorZones(t, &v, i)
			checkVectorDisk(t, &v, i)
		})
	}
}

func checkVectorInfo(t *testing.T, v *qcow2test.Vector, i *Image) {
	x, z := v.Extension, i.Zoned()
	want := format.ZonedInfo{
		Revision: v.Layout, ZoneSize: x.ZoneSize, ZoneCapacity: x.ZoneCapacity, Conventional: x.Conventional,
		Zones: x.Zones, ZoneLimits: format.ZoneLimits{MaxOpen: x.MaxOpen, MaxActive: x.MaxActive, MaxAppendBytes: x.MaxAppend},
		Stored: format.ZoneLimits{MaxOpen: x.MaxOpen, MaxActive: x.MaxActive, MaxAppendBytes: x.MaxAppend}, TableOffset: x.TableOffset,
		BigEndian: v.Layout == "v14", VirtualSize: v.VirtualSize,
	}
	if *z != want {
		t.Errorf("zones described as %+v, want %+v", *z, want)
	}
	if i.table.Order != i.table.Layout.ByteOrder() {
		t.Error("not in the order that this program writes")
	}
	if i.VirtualSize() != v.VirtualSize || i.LogicalBlockSize() != 512 {
		t.Errorf("size %d, logical block %d", i.VirtualSize(), i.LogicalBlockSize())
	}
}

// checkVectorZones compares with what those tools reported, where they were
// right: a v6 zone from 4 GiB on is EMPTY if its entry is wrapped.
func checkVectorZones(t *testing.T, v *qcow2test.Vector, i *Image) {
	entries := entriesOf(t, i.table)
	for k, want := range v.Zones {
		got := entries[k]
		if got.Conventional != (want.Type == 1) || got.Invalid {
			t.Errorf("zone %d: conventional %v, invalid %v", k, got.Conventional, got.Invalid)
		}
		start, wp := want.Start*512, want.WP*512
		wraps := v.Layout == "v6" && start>>32 != 0 && wp == start&(1<<32-1)
		if wraps {
			wp = start
		}
		if got.WP != wp || got.Wrapped != wraps {
			t.Errorf("zone %d: write pointer %d wrapped %v, want %d %v", k, got.WP, got.Wrapped, wp, wraps)
		}
		cond := want.Cond
		if v.Layout == "v6" && start>>32 != 0 && cond == 14 {
			cond = 4 // that QEMU compared with a zone start cut to 32 bits
		}
		if got := condition(i.Zoned(), uint32(k), got); got != cond {
			t.Errorf("zone %d: condition %d, want %d", k, got, cond)
		}
	}
}

// condition derives the condition a zone has on open, in the report's codes.
func condition(z *format.ZonedInfo, k uint32, e format.ZoneEntry) int {
	switch {
	case e.Conventional:
		return 0
	case e.WP == z.ZoneStart(k):
		return 1
	case e.WP >= z.WritableEnd(k):
		return 14
	}
	return 4
}

// checkVectorDisk compares the disk's hash. Hashing zeros takes long, so if a v6
// image holds the same disk, what isn't zero is compared with that.
func checkVectorDisk(t *testing.T, v *qcow2test.Vector, i *Image) {
	if v.RawSHA == "" {
		return
	}
	if twin := sameDiskInV6(t, v); twin != nil && v.Layout != "v6" {
		if content(t, i) != content(t, twin) {
			t.Errorf("the disk is not the one with sha256 %s", v.RawSHA)
		}
		return
	}
	if got := qcow2test.SHA(t, i); got != v.RawSHA {
		t.Errorf("disk has sha256 %s, want %s", got, v.RawSHA)
	}
}

// sameDiskInV6 is nil if there is none.
func sameDiskInV6(t *testing.T, v *qcow2test.Vector) *Image {
	for _, w := range qcow2test.Vectors(t, "testdata") {
		if w.Layout == "v6" && w.RawSHA == v.RawSHA && filepath.Base(w.File) == filepath.Base(v.File) {
			i, err := Open(w.Image(t), OpenOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
	}
	return nil
}

// content hashes what is not zero, with its place.
func content(t testing.TB, i *Image) string {
	t.Helper()
	h := sha256.New()
	for off := uint64(0); off < i.VirtualSize(); {
		x, err := i.LookupResolved(off, i.VirtualSize()-off)
		if err != nil {
			t.Fatal(err)
		}
		if x.Kind != Zero {
			buf := make([]byte, x.Len)
			if err := i.ReadAt(buf, off); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(h, "%d %x\n", off, buf)
		}
		off += x.Len
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The three images above 4 GiB come without a hash, but were made by the same
// commands: whatever the layout, the data is the same.
func TestVectorsAbove4GiB(t *testing.T) {
	hashes := make(map[string]bool)
	n := 0
	for _, v := range qcow2test.Vectors(t, "testdata") {
		if v.RawSHA != "" {
			continue
		}
		i, err := Open(v.Image(t), OpenOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		n++
		hashes[content(t, i)] = true
	}
	if n != 3 || len(hashes) != 1 {
		t.Errorf("%d images hold %d different disks", n, len(hashes))
	}
}

func TestWrappedTableStopsWriting(t *testing.T) {
	for _, v := range qcow2test.Vectors(t, "testdata") {
		if v.File != "v6/g10-gt4g.qcow2.gz" {
			continue
		}
		if _, err := Open(v.Image(t), OpenOptions{}); !errors.Is(err, ErrWrapped) {
			t.Errorf("opened for writing with error %v", err)
		}
		return
	}
	t.Fatal("the image is not in testdata")
}
