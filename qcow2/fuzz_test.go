// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// Every L2 entry, whatever its bits, is judged and located without leaving its
// cluster and without following what makes no sense.
func FuzzL2Entry(f *testing.F) {
	f.Add(uint64(0), uint64(0), uint8(16), false, uint32(0))
	f.Add(uint64(1<<63|1<<20), uint64(0xffff), uint8(16), true, uint32(70000))
	f.Add(uint64(1<<62|0xfff0001), uint64(0), uint8(9), false, uint32(3))
	f.Fuzz(func(t *testing.T, word, bitmap uint64, bits uint8, extended bool, in uint32) {
		h := &format.Header{Version: 3, ClusterBits: uint32(9 + bits%13), RefcountOrder: 4}
		if extended && h.ClusterBits >= format.MinExtL2ClusterBt {
			h.Incompatible = format.IncompatExtendedL2
		}
		i := &Image{header: h, geo: format.GeometryOf(h), regions: newRegionMap(uint(h.ClusterBits)), file: new(imageFile)}
		i.file.length.Store(1 << 40)
		raw := mapping{format.L2Entry(word), format.L2Bitmap(bitmap)}.append(nil, i.geo.EntryWords())
		m := i.decodeTable(raw, 0).mapping(0)
		off := i.geo.InCluster(uint64(in))
		x := extentOf(&i.geo, m, off)
		if x.Len == 0 || x.Len > i.geo.ClusterSize()-off {
			t.Fatalf("%+v at %d: %+v", m, off, x)
		}
		if (x.Kind == Data || x.Kind == Shared) && (x.Host < off || i.geo.InCluster(x.Host) != off || x.Host >= 1<<40+i.geo.ClusterSize()) {
			t.Fatalf("%+v at %d: %+v", m, off, x)
		}
		if at, n := m.entry.CompressedRange(i.geo.ClusterBits); m.entry.Compressed() && (n > 2*i.geo.ClusterSize() || at >= 1<<62) {
			t.Fatalf("%+v: compressed at %d, %d bytes", m, at, n)
		}
	})
}

// fuzzSeeds are small images of all kinds, some data in each.
func fuzzSeeds(t testing.TB) []*storagetest.Mem {
	var seeds []*storagetest.Mem
	for _, o := range []CreateOptions{
		{Size: 64 << 10, ClusterSize: 512, LogicalBlockSize: 512},
		{Size: 64 << 10, ClusterSize: 512, RefcountBits: 64, Zone: &ZoneOptions{Size: 8192, Revision: "v8"}},
		{Size: 256 << 10, ClusterSize: 4096, RefcountBits: 1, Zone: &ZoneOptions{Size: 32 << 10, Conventional: 2, Revision: "v14"}},
		{Size: 256 << 10, ClusterSize: 16384, ExtendedL2: true},
	} {
		m := new(storagetest.Mem)
		i := create(t, m, o)
		if err := errors.Join(i.WriteAt(qcow2test.Pattern(0, 6000), 1000), i.MakeZero(2000, 1500), i.Ensure(40000, 1, 0), i.Close()); err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, m)
	}
	return append(seeds, compressedSeed())
}

// compressedSeed has a first cluster that claims to be compressed.
func compressedSeed() *storagetest.Mem {
	m := new(storagetest.Mem)
	if Create(m, CreateOptions{Size: 64 << 10, ClusterSize: 512, LogicalBlockSize: 512}) != nil {
		return m
	}
	i, err := Open(m, OpenOptions{})
	if err != nil || i.Ensure(0, 1024, 0) != nil {
		return m
	}
	table := format.L1Entry(i.l1[0].entry.Load()).Offset()
	host := i.Lookup(0, 1).Host
	m.WriteAt(binary.BigEndian.AppendUint64(nil, host|uint64(format.L2Compressed)), int64(table))
	m.WriteAt(deflated(qcow2test.Pattern(0, 512)), int64(host))
	return m
}

// FuzzOpen changes bytes of whole images and then uses them in every way. What
// comes back may be an error, but never a panic, a hang, or memory out of
// proportion to the file.
func FuzzOpen(f *testing.F) {
	seeds := fuzzSeeds(f)
	for k := range seeds {
		f.Add(uint8(k), []byte{}, uint16(0))
		f.Add(uint8(k), []byte{0, 24, 0xff, 0, 44, 0xff}, uint16(0))
		f.Add(uint8(k), []byte{0, 23, 16, 0, 99, 3}, uint16(700))
	}
	f.Fuzz(func(t *testing.T, seed uint8, patches []byte, cut uint16) {
		m := seeds[int(seed)%len(seeds)].Clone()
		for ; len(patches) >= 3; patches = patches[3:] {
			m.WriteAt(patches[2:3], int64(binary.BigEndian.Uint16(patches)))
		}
		if cut != 0 {
			m.Truncate(int64(cut))
		}
		for _, o := range []OpenOptions{{ReadOnly: true}, {ReadOnly: true, Lenient: true}, {CacheBytes: 1}} {
			if i, err := Open(m, o); err == nil {
				useAll(i)
			}
		}
		Amend(m, AmendOptions{Revision: format.Revisions[int(seed)%len(format.Revisions)]})
	})
}

// useAll does everything once, near both ends of the disk.
func useAll(i *Image) {
	buf := make([]byte, 1000)
	for _, off := range []uint64{0, 1500, i.size / 2, i.size - min(i.size, 1000)} {
		n := min(1000, i.size-min(off, i.size))
		i.ReadAt(buf[:n], off)
		i.Lookup(off, 1<<20)
		i.Ensure(off, n, 8192)
		i.WriteAt(buf[:n], off)
		i.MakeZero(off, n)
	}
	few(i.Map)
	if i.zones != nil && i.zones.Zones > 0 {
		i.WriteZoneSlots([]format.ZoneSlot{{Zone: 0, WP: i.zones.ZoneStart(0)}})
	}
	i.Sync()
	i.Close()
}

// FuzzSnapshotTable: whatever the table holds, the image opens or is refused in
// words, and what is listed has names that lie in it.
func FuzzSnapshotTable(f *testing.F) {
	im := qcow2test.NewImage(f, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true, Snapshot: true})
	table := im.Bytes()[im.Snapshots:][:128]
	f.Add(uint32(1), table)
	f.Add(uint32(3), table)
	f.Add(uint32(1<<31), table)
	f.Add(uint32(2), append([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, table[8:]...))
	f.Fuzz(func(t *testing.T, count uint32, table []byte) {
		m := storagetest.NewMem(append([]byte(nil), im.Bytes()...))
		m.WriteAt(binary.BigEndian.AppendUint32(nil, count), 60)
		m.WriteAt(table[:min(len(table), 4096)], int64(im.Snapshots))
		i, err := Open(m, OpenOptions{Lenient: true})
		if err != nil {
			return
		}
		list, err := snapshotsOf(i)
		if err == nil && uint32(len(list)) != count {
			t.Fatalf("%d of %d snapshots listed", len(list), count)
		}
		if i.ReadOnly() && i.Refused(UseWrite) == nil {
			t.Fatal("not writable, and no reason given")
		}
	})
}
