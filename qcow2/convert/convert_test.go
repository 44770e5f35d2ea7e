// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"slices"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// A chain of overlays becomes one image, in any layout and with any clusters, with
// all that can be read of it and all that offline zones hold, and nothing that lies
// above write pointers.
func TestConvert(t *testing.T) {
	disk := make([]byte, 8*goldenZone)
	base, top := golden(t, qcow2.CreateOptions{ClusterSize: 4096}, disk), new(storagetest.Mem)
	must(t, qcow2.Create(top, qcow2.CreateOptions{Backing: onBase(t, base, "base")}))
	i := openOver(t, top, base)
	for _, at := range []uint64{100, 4*goldenZone + 4096} {
		must(t, i.WriteAt(qcow2test.Pattern(at+5, 9000), at))
		copy(disk[at:], qcow2test.Pattern(at+5, 9000))
	}
	must(t, i.WriteZoneSlots([]format.ZoneSlot{{Zone: 4, WP: 4*goldenZone + 4096 + 12288}}))
	must(t, i.MakeZero(2*goldenZone, 192<<10))
	must(t, i.WriteZoneSlots([]format.ZoneSlot{{Zone: 2, WP: 2 * goldenZone}}))
	clear(disk[2*goldenZone : 3*goldenZone])
	must(t, i.Close())
	for _, o := range []qcow2.CreateOptions{
		{},
		{ClusterSize: 512, Zone: &qcow2.ZoneOptions{Revision: "v14"}},
		{ClusterSize: 256 << 10, RefcountBits: 1, Zone: &qcow2.ZoneOptions{Revision: "v8"}},
		{ClusterSize: 16 << 10, ExtendedL2: true, Zone: &qcow2.ZoneOptions{Revision: "v11"}},
	} {
		src, err := tryOver(top, qcow2.OpenOptions{ReadOnly: true}, base)
		must(t, err)
		out := storagetest.NewMem(qcow2test.Pattern(3, 1<<20))
		must(t, Convert(src, out, Options{Image: o}))
		got := reopen(t, out)
		if o.Zone != nil && got.Zoned().Revision != o.Zone.Revision || got.Header().BackingFile != "" {
			t.Errorf("%+v over %q", got.Zoned(), got.Header().BackingFile)
		}
		if !slices.Equal(zonesOf(t, got), zonesOf(t, src)) || !slices.Equal(got.ZoneConditions(), src.ZoneConditions()) ||
			got.Zoned().ZoneLimits != src.Zoned().ZoneLimits || got.LogicalBlockSize() != src.LogicalBlockSize() {
			t.Error("other zones")
		}
		mustRead(t, got, disk)
		must(t, got.Close())
		qcow2test.MustBeSound(t, out, true)
		if !bytes.Equal(qemuReads(t, out), disk) {
			t.Error("qemu-img reads something else")
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	base := golden(t, qcow2.CreateOptions{}, make([]byte, 8*goldenZone))
	plain := new(storagetest.Mem)
	create(t, plain, qcow2.CreateOptions{Size: 1 << 20})
	open := func(f storage.File) *qcow2.Image {
		i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
		must(t, err)
		return i
	}
	out := new(storagetest.Mem)
	mustSay(t, Convert(open(plain), out, Options{}), format.ErrUnsupported, "zqublkd export")
	mustSay(t, Convert(open(base), out, Options{Image: qcow2.CreateOptions{Size: 1 << 20}}), format.ErrOption, "must be that of the zoned image")
	mustSay(t, Convert(open(base), out, Options{Image: qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{MaxOpen: 9}}}), format.ErrOption, "zone.revision and zone.counters only")
	if size, _ := out.Size(); size != 0 {
		t.Error("something was written")
	}
}
