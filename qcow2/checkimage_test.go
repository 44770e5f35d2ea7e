package qcow2

import (
	"encoding/binary"
	"testing"

	"zqublkd/internal/storage"
)

// handImage is an image laid out by hand, cluster by cluster, so that tests of
// the check don't depend on the code that writes images.
type handImage struct {
	*storage.Mem
	t    testing.TB
	h    *Header
	g    geometry
	next uint64 // first cluster not given out yet

	refBlock, zoneTable, l1, snapshots uint64 // byte offsets in the file
	l2                                 []uint64
	data                               []uint64 // clusters of the disk that are stored
	zeroed, compressed                 uint64
}

type handOptions struct {
	clusterBits, order uint32
	extended, plain    bool
	snapshot           bool
}

const handZones = 8

// newHandImage makes a sound image: zoned unless plain, a disk of two full L2
// tables, three data clusters, one stored but zero, two compressed in one.
func newHandImage(t testing.TB, o handOptions) *handImage {
	t.Helper()
	im := &handImage{Mem: new(storage.Mem), t: t}
	im.h = &Header{Version: 3, ClusterBits: o.clusterBits, RefcountOrder: o.order, RefcountTableClusters: 1}
	if o.extended {
		im.h.Incompatible |= IncompatExtendedL2
	}
	im.g = geometryOf(im.h)
	im.h.Size = min(2*im.g.l2Coverage(), 4<<30)
	im.take(1)
	im.h.RefcountTableOffset = im.take(1)
	im.refBlock = im.take(1)
	if !o.plain {
		im.zoneTable = im.take(1)
		im.addZones()
	}
	im.l1 = im.take(1)
	im.h.L1Size, im.h.L1TableOffset = 2, im.l1
	im.addDisk()
	im.put(im.h.RefcountTableOffset, im.refBlock)
	im.countAll()
	if o.snapshot {
		im.addSnapshot()
	}
	im.writeHeader()
	im.check(im.Truncate(int64(im.next << im.g.clusterBits)))
	return im
}

func (im *handImage) check(err error) {
	im.t.Helper()
	if err != nil {
		im.t.Fatal(err)
	}
}

func (im *handImage) take(n uint64) uint64 {
	off := im.next << im.g.clusterBits
	im.next += n
	return off
}

func (im *handImage) addZones() {
	x := ZoneExtension{
		Model: modelHostManaged, ZoneSize: im.h.Size / handZones, ZoneCapacity: im.h.Size / handZones,
		Conventional: 1, Zones: handZones, TableOffset: im.zoneTable,
	}
	im.h.Extensions = append(im.h.Extensions, Extension{ExtZoned, layoutV6.encode(x)})
	im.h.Incompatible |= IncompatZoned
	for i := range uint64(handZones) {
		word := i * x.ZoneSize
		if i == 0 {
			word |= 1 << layoutV6.typeBit
		}
		im.putZone(i, word)
	}
}

func (im *handImage) putZone(i, word uint64) {
	im.write(binary.LittleEndian.AppendUint64(nil, word), im.zoneTable+i*zoneEntrySize)
}

// addDisk maps: in the first table entries 0-2 data, 3 zero over a cluster, 4
// and 5 compressed, 6 zero without a cluster; the second table is empty.
func (im *handImage) addDisk() {
	for i := range uint64(2) {
		im.l2 = append(im.l2, im.take(1))
		im.put(im.l1+8*i, im.l2[i]|copiedFlag)
	}
	for i := range uint64(3) {
		im.data = append(im.data, im.take(1))
		im.fill(im.data[i], byte('a'+i))
		im.putEntry(i, im.data[i]|copiedFlag, uint64(l2AllAllocated))
	}
	im.zeroed = im.take(1)
	im.putZero(3, im.zeroed|copiedFlag)
	im.compressed = im.take(1)
	im.fill(im.compressed, 'z')
	im.putEntry(4, im.compressed|1<<62, 0)
	im.putEntry(5, im.compressed+128|1<<62, 0)
	im.putZero(6, 0)
}

func (im *handImage) putZero(i, entry uint64) {
	if im.g.extended {
		im.putEntry(i, entry, uint64(l2AllAllocated)<<subclusters)
	} else {
		im.putEntry(i, entry|uint64(l2Zero), 0)
	}
}

// entryAt is the byte offset of the entry of a cluster of the disk.
func (im *handImage) entryAt(i uint64) uint64 {
	return im.l2[i>>im.g.l2Bits] + i&(im.g.l2Entries()-1)*8*uint64(im.g.entryWords())
}

func (im *handImage) entry(i uint64) uint64 { return im.get(im.entryAt(i)) }

func (im *handImage) putEntry(i, entry, bitmap uint64) {
	im.put(im.entryAt(i), entry)
	if im.g.extended {
		im.put(im.entryAt(i)+8, bitmap)
	}
}

// countAll gives every cluster handed out refcount one, the compressed one two.
func (im *handImage) countAll() {
	for c := range im.next {
		im.setRefcount(c<<im.g.clusterBits, 1)
	}
	im.setRefcount(im.compressed, min(2, MaxRefcount(im.g.refOrder)))
}

// addSnapshot shares everything the disk refers to with a snapshot.
func (im *handImage) addSnapshot() {
	l1 := im.take(1)
	im.snapshots = im.take(1)
	im.setRefcount(l1, 1)
	im.setRefcount(im.snapshots, 1)
	for i, off := range im.l2 {
		im.setRefcount(off, 2)
		im.put(im.l1+8*uint64(i), off)
		im.put(l1+8*uint64(i), off)
	}
	for i, off := range append(im.data, im.zeroed) {
		im.setRefcount(off, 2)
		at := im.entryAt(uint64(i))
		im.put(at, im.get(at)&^copiedFlag)
	}
	im.setRefcount(im.compressed, 4)
	im.put(im.snapshots, l1)
	im.write([]byte{0, 0, 0, 2, 0, 1, 0, 1}, im.snapshots+8) // L1 entries, lengths of id and name
	im.put(im.snapshots+32, snapshotExtra)
	im.put(im.snapshots+snapshotFixed+8, im.h.Size) // of the disk at that time
	im.write([]byte("1s"), im.snapshots+snapshotFixed+snapshotExtra)
	im.h.SnapshotCount, im.h.SnapshotsOffset = 1, im.snapshots
}

func (im *handImage) refcountBlock(block uint64) RefcountBlock {
	b := RefcountBlock{Order: im.g.refOrder, Data: make([]byte, im.g.clusterSize())}
	im.ReadAt(b.Data, int64(block))
	return b
}

func (im *handImage) setRefcount(off, n uint64) {
	b := im.refcountBlock(im.refBlock)
	b.Set(off>>im.g.clusterBits, n)
	im.write(b.Data, im.refBlock)
}

func (im *handImage) writeHeader() {
	b, err := im.h.Encode()
	im.check(err)
	im.write(b, 0)
}

func (im *handImage) put(off, word uint64) { im.write(binary.BigEndian.AppendUint64(nil, word), off) }

func (im *handImage) get(off uint64) uint64 {
	b := make([]byte, 8)
	_, err := im.ReadAt(b, int64(off))
	im.check(err)
	return binary.BigEndian.Uint64(b)
}

func (im *handImage) fill(off uint64, c byte) {
	b := make([]byte, im.g.clusterSize())
	for i := range b {
		b[i] = c
	}
	im.write(b, off)
}

func (im *handImage) write(b []byte, off uint64) {
	im.t.Helper()
	_, err := im.WriteAt(b, int64(off))
	im.check(err)
}

// end is the size of the file in bytes.
func (im *handImage) end() uint64 { return im.next << im.g.clusterBits }

// addPrivate adds our own extension.
func (im *handImage) addPrivate(list conditionList) {
	p := PrivateExtension{conditions: list}
	im.h.Extensions = append(im.h.Extensions, Extension{ExtPrivate, p.encode()})
	im.writeHeader()
}

var handShapes = map[string]handOptions{
	"64K clusters":     {clusterBits: 16, order: 4},
	"512 byte ones":    {clusterBits: 9, order: 4},
	"2M ones":          {clusterBits: 21, order: 4},
	"1 bit refcounts":  {clusterBits: 12, order: 0},
	"64 bit refcounts": {clusterBits: 12, order: 6},
	"extended L2":      {clusterBits: 14, order: 4, extended: true},
	"plain":            {clusterBits: 12, order: 4, plain: true},
	"snapshot":         {clusterBits: 12, order: 4, snapshot: true},
}

// grow adds clusters to the file.
func (im *handImage) grow(n uint64) uint64 {
	off := im.take(n)
	im.check(im.Truncate(int64(im.end())))
	return off
}

func (im *handImage) setZoneTable(off uint64) {
	for _, data := range findExtensions(im.h.Extensions, ExtZoned) {
		layoutV6.tableOffset.put(data, off)
	}
	im.writeHeader()
}

// addBitmap gives the image a bitmap of one table and one data cluster.
func (im *handImage) addBitmap() (data uint64) {
	dir, table := im.grow(1), im.grow(1)
	data = im.grow(1)
	for _, off := range []uint64{dir, table, data} {
		im.setRefcount(off, 1)
	}
	im.put(table, data)
	im.put(dir, table)
	im.write([]byte{0, 0, 0, 1, 0, 0, 0, 0, 1, 16, 0, 2, 0, 0, 0, 0, 'b', '0'}, dir+8)
	ext := []byte{0, 0, 0, 1, 0, 0, 0, 0}
	ext = binary.BigEndian.AppendUint64(ext, 32)
	ext = binary.BigEndian.AppendUint64(ext, dir)
	im.h.Extensions = append(im.h.Extensions, Extension{ExtBitmaps, ext})
	im.h.Autoclear |= AutoclearBitmaps
	im.writeHeader()
	return data
}
