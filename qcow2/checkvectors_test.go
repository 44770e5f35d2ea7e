// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// TestCheckVectors: images made by patched QEMUs are sound, and stock QEMU
// thinks so too but for the zone table.
func TestCheckVectors(t *testing.T) {
	for _, v := range qcow2test.Vectors(t, "testdata") {
		t.Run(v.File, func(t *testing.T) {
			f := v.Image(t)
			r := qcow2test.MustCheck(t, f, check.Options{})
			if v.File == "v6/g10-gt4g.qcow2.gz" && strings.Count(qcow2test.Text(r), "wrapped entry") != 11 {
				t.Error("of 12 zones from 4 GiB on one has been written to")
			}
			i := mustOpen(t, f)
			odd := i.tally.Wrapped + i.tally.AboveEnd
			if !r.Clean() || len(r.Findings) != odd || r.ZoneTableClusters != format.DivUp(8*uint64(v.Extension.Zones), r.ClusterSize) {
				t.Error(qcow2test.Text(r))
			}
			if qcow2test.HaveQEMU() {
				qcow2test.Agree(t, f, r)
			}
		})
	}
}

// TestRepairVector: the wrapped entries of a real image become what they
// should have been, FULL what every reader takes, and nothing else changes.
func TestRepairVector(t *testing.T) {
	for _, v := range qcow2test.Vectors(t, "testdata") {
		f := v.Image(t)
		before := mustOpen(t, f)
		zones := entriesOf(t, before.table)
		r := qcow2test.MustCheck(t, f, check.Options{Repair: check.RepairAll})
		if !r.Clean() || len(r.Findings) != 0 {
			t.Errorf("%s: %s", v.File, qcow2test.Text(r))
		}
		after, err := Open(f, OpenOptions{})
		if err != nil {
			t.Errorf("%s after repair: %v", v.File, err)
			continue
		}
		for k, e := range entriesOf(t, after.table) {
			if was := zones[k]; e.WP != was.WP && e.WP != after.zones.WritableEnd(uint32(k)) || e.Conventional != was.Conventional || e.Wrapped {
				t.Errorf("%s: zone %d was %+v and is %+v", v.File, k, was, e)
			}
		}
		sameDisk(t, after, before)
	}
}

// TestCheckCreatedImages: what Create and writes make is sound, in every
// corner of the format, for QEMU too.
func TestCheckCreatedImages(t *testing.T) {
	for _, cluster := range []uint64{512, 64 << 10, 2 << 20} {
		for _, bits := range []uint32{1, 8, 64} {
			if cluster == 2<<20 && bits != 8 {
				continue // slow, and no corner
			}
			for _, zone := range []*ZoneOptions{nil, {Size: 4 << 20, Conventional: 1}} {
				name := fmt.Sprintf("cluster %d, refcount bits %d, zoned %v", cluster, bits, zone != nil)
				t.Run(name, func(t *testing.T) {
					o := CreateOptions{Size: 20 << 20, ClusterSize: cluster, RefcountBits: bits, Zone: zone}
					o.ExtendedL2 = cluster == 64<<10 && bits != 1
					checkCreated(t, o)
				})
			}
		}
	}
}

func checkCreated(t *testing.T, o CreateOptions) {
	f := new(storagetest.Mem)
	if err := Create(f, o); err != nil {
		t.Fatal(err)
	}
	fresh := qcow2test.MustCheck(t, f, check.Options{})
	i, err := Open(f, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for off := uint64(0); off < o.Size; off += 9 << 20 {
		if err := i.WriteAt([]byte("some bytes"), off+12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.MakeZero(9<<20, 5<<20); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	written := qcow2test.MustCheck(t, f, check.Options{})
	for _, r := range []*check.Report{fresh, written} {
		if len(r.Findings) != 0 {
			t.Error(qcow2test.Text(r))
		}
	}
	if qcow2test.HaveQEMU() {
		qcow2test.Agree(t, f, written)
	}
}

func TestRepairRewritesWrappedEntries(t *testing.T) {
	im := wrappedImage(t)
	r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairLeaks})
	if n := strings.Count(qcow2test.Text(r), "wrapped entry"); n != 3 || !r.Clean() {
		t.Errorf("%d wrapped entries, want 3:\n%s", n, qcow2test.Text(r))
	}
	if _, err := Open(im, OpenOptions{}); !errors.Is(err, ErrWrapped) {
		t.Errorf("opening for writing: %v", err)
	}
	r = qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
	if len(r.Findings) != 0 || r.NotesFixed != 3 {
		t.Error(qcow2test.Text(r))
	}
	raw := readAt(t, im, int64(im.ZoneTable), qcow2test.Zones*8)
	for i := range uint64(qcow2test.Zones) {
		want := i << 30
		if i == 5 {
			want += 4096
		}
		if got := binary.LittleEndian.Uint64(raw[i*8:]); got != want {
			t.Errorf("zone %d is stored as %#x, want %#x", i, got, want)
		}
	}
}

func wrappedImage(t *testing.T) *qcow2test.Image {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 16, Order: 4})
	im.H.Size = 8 << 30
	im.H.L1Size = uint32(im.G.L1Needed(im.H.Size))
	x := format.ZoneExtension{Model: format.ModelHostManaged, ZoneSize: 1 << 30, ZoneCapacity: 1 << 30, Zones: qcow2test.Zones, TableOffset: im.ZoneTable}
	im.H.Extensions = []format.Extension{{Type: format.ExtZoned, Data: format.LayoutV6.Encode(x)}}
	im.WriteHeader()
	for i := range uint64(qcow2test.Zones) {
		im.PutZone(i, i<<30&(1<<32-1))
	}
	im.PutZone(5, 5<<30+4096)
	return im
}
