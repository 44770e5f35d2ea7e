// SPDX-License-Identifier: Apache-2.0

package qcow2test

import (
	"encoding/binary"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
)

// Image is an image laid out by hand, cluster by cluster, so that tests of
// the check don't depend on the code that writes images.
type Image struct {
	*storagetest.Mem
	T    testing.TB
	H    *format.Header
	G    format.Geometry
	next uint64 // first cluster not given out yet

	RefBlock, ZoneTable, L1, Snapshots uint64 // byte offsets in the file
	L2                                 []uint64
	Data                               []uint64 // clusters of the disk that are stored
	Zeroed, Compressed                 uint64
}

// ImageOptions say what an image has.
type ImageOptions struct {
	ClusterBits, Order uint32
	Extended, Plain    bool
	Snapshot           bool
}

const Zones = 8

// NewImage makes a sound image: zoned unless plain, a disk of two full L2
// tables, three data clusters, one stored but zero, two compressed in one.
func NewImage(t testing.TB, o ImageOptions) *Image {
	t.Helper()
	im := &Image{Mem: new(storagetest.Mem), T: t}
	im.H = &format.Header{Version: 3, ClusterBits: o.ClusterBits, RefcountOrder: o.Order, RefcountTableClusters: 1}
	if o.Extended {
		im.H.Incompatible |= format.IncompatExtendedL2
	}
	im.G = format.GeometryOf(im.H)
	im.H.Size = min(2*im.G.L2Coverage(), 4<<30)
	im.take(1)
	im.H.RefcountTableOffset = im.take(1)
	im.RefBlock = im.take(1)
	if !o.Plain {
		im.ZoneTable = im.take(1)
		im.addZones()
	}
	im.L1 = im.take(1)
	im.H.L1Size, im.H.L1TableOffset = 2, im.L1
	im.addDisk()
	im.Put(im.H.RefcountTableOffset, im.RefBlock)
	im.countAll()
	if o.Snapshot {
		im.addSnapshot()
	}
	im.WriteHeader()
	im.Check(im.Truncate(int64(im.next << im.G.ClusterBits)))
	return im
}

// Check fails the test on an error.
func (im *Image) Check(err error) {
	im.T.Helper()
	if err != nil {
		im.T.Fatal(err)
	}
}

func (im *Image) take(n uint64) uint64 {
	off := im.next << im.G.ClusterBits
	im.next += n
	return off
}

func (im *Image) addZones() {
	x := format.ZoneExtension{
		Model: format.ModelHostManaged, ZoneSize: im.H.Size / Zones, ZoneCapacity: im.H.Size / Zones,
		Conventional: 1, Zones: Zones, TableOffset: im.ZoneTable,
	}
	im.H.Extensions = append(im.H.Extensions, format.Extension{Type: format.ExtZoned, Data: format.LayoutV6.Encode(x)})
	im.H.Incompatible |= format.IncompatZoned
	for i := range uint64(Zones) {
		word := i * x.ZoneSize
		if i == 0 {
			word |= 1 << format.LayoutV6.TypeBit
		}
		im.PutZone(i, word)
	}
}

// PutZone writes the word of zone i into the zone table.
func (im *Image) PutZone(i, word uint64) {
	im.Write(binary.LittleEndian.AppendUint64(nil, word), im.ZoneTable+i*format.ZoneEntrySize)
}

// addDisk maps: in the first table entries 0-2 data, 3 zero over a cluster, 4
// and 5 compressed, 6 zero without a cluster; the second table is empty.
func (im *Image) addDisk() {
	for i := range uint64(2) {
		im.L2 = append(im.L2, im.take(1))
		im.Put(im.L1+8*i, im.L2[i]|format.CopiedFlag)
	}
	for i := range uint64(3) {
		im.Data = append(im.Data, im.take(1))
		im.Fill(im.Data[i], byte('a'+i))
		im.PutEntry(i, im.Data[i]|format.CopiedFlag, uint64(format.L2AllAllocated))
	}
	im.Zeroed = im.take(1)
	im.PutZero(3, im.Zeroed|format.CopiedFlag)
	im.Compressed = im.take(1)
	im.Fill(im.Compressed, 'z')
	im.PutEntry(4, im.Compressed|1<<62, 0)
	im.PutEntry(5, im.Compressed+128|1<<62, 0)
	im.PutZero(6, 0)
}

// PutZero makes a cluster of the disk read as zeros, over the host cluster in entry.
func (im *Image) PutZero(i, entry uint64) {
	if im.G.Extended {
		im.PutEntry(i, entry, uint64(format.L2AllAllocated)<<format.Subclusters)
	} else {
		im.PutEntry(i, entry|uint64(format.L2Zero), 0)
	}
}

// EntryAt is the byte offset of the entry of a cluster of the disk.
func (im *Image) EntryAt(i uint64) uint64 {
	return im.L2[i>>im.G.L2Bits] + i&(im.G.L2Entries()-1)*8*uint64(im.G.EntryWords())
}

// Entry is the L2 entry of a cluster of the disk.
func (im *Image) Entry(i uint64) uint64 { return im.Get(im.EntryAt(i)) }

// PutEntry writes the L2 entry of a cluster of the disk.
func (im *Image) PutEntry(i, entry, bitmap uint64) {
	im.Put(im.EntryAt(i), entry)
	if im.G.Extended {
		im.Put(im.EntryAt(i)+8, bitmap)
	}
}

// countAll gives every cluster handed out refcount one, the compressed one two.
func (im *Image) countAll() {
	for c := range im.next {
		im.SetRefcount(c<<im.G.ClusterBits, 1)
	}
	im.SetRefcount(im.Compressed, min(2, format.MaxRefcount(im.G.RefOrder)))
}

// addSnapshot shares everything the disk refers to with a snapshot.
func (im *Image) addSnapshot() {
	l1 := im.take(1)
	im.Snapshots = im.take(1)
	im.SetRefcount(l1, 1)
	im.SetRefcount(im.Snapshots, 1)
	for i, off := range im.L2 {
		im.SetRefcount(off, 2)
		im.Put(im.L1+8*uint64(i), off)
		im.Put(l1+8*uint64(i), off)
	}
	for i, off := range append(im.Data, im.Zeroed) {
		im.SetRefcount(off, 2)
		at := im.EntryAt(uint64(i))
		im.Put(at, im.Get(at)&^format.CopiedFlag)
	}
	im.SetRefcount(im.Compressed, 4)
	im.Put(im.Snapshots, l1)
	im.Write([]byte{0, 0, 0, 2, 0, 1, 0, 1}, im.Snapshots+8) // L1 entries, lengths of id and name
	im.Put(im.Snapshots+32, format.SnapshotExtra)
	im.Put(im.Snapshots+format.SnapshotFixed+8, im.H.Size) // of the disk at that time
	im.Write([]byte("1s"), im.Snapshots+format.SnapshotFixed+format.SnapshotExtra)
	im.H.SnapshotCount, im.H.SnapshotsOffset = 1, im.Snapshots
}

// RefcountBlock reads the refcount block at byte off of the file.
func (im *Image) RefcountBlock(block uint64) format.RefcountBlock {
	b := format.RefcountBlock{Order: im.G.RefOrder, Data: make([]byte, im.G.ClusterSize())}
	im.ReadAt(b.Data, int64(block))
	return b
}

// SetRefcount sets the refcount of the cluster at byte off of the file.
func (im *Image) SetRefcount(off, n uint64) {
	b := im.RefcountBlock(im.RefBlock)
	b.Set(off>>im.G.ClusterBits, n)
	im.Write(b.Data, im.RefBlock)
}

// WriteHeader stores h.
func (im *Image) WriteHeader() {
	b, err := im.H.Encode()
	im.Check(err)
	im.Write(b, 0)
}

// Put writes a word at byte off of the file.
func (im *Image) Put(off, word uint64) { im.Write(binary.BigEndian.AppendUint64(nil, word), off) }

// Get reads a word at byte off of the file.
func (im *Image) Get(off uint64) uint64 {
	b := make([]byte, 8)
	_, err := im.ReadAt(b, int64(off))
	im.Check(err)
	return binary.BigEndian.Uint64(b)
}

// Fill fills the cluster at byte off of the file with c.
func (im *Image) Fill(off uint64, c byte) {
	b := make([]byte, im.G.ClusterSize())
	for i := range b {
		b[i] = c
	}
	im.Write(b, off)
}

// Write writes bytes at off of the file.
func (im *Image) Write(b []byte, off uint64) {
	im.T.Helper()
	_, err := im.WriteAt(b, int64(off))
	im.Check(err)
}

// End is the size of the file in bytes.
func (im *Image) End() uint64 { return im.next << im.G.ClusterBits }

// AddPrivate adds our own extension.
func (im *Image) AddPrivate(list format.ConditionList) {
	p := format.PrivateExtension{Conditions: list}
	im.H.Extensions = append(im.H.Extensions, format.Extension{Type: format.ExtPrivate, Data: p.Encode()})
	im.WriteHeader()
}

var Shapes = map[string]ImageOptions{
	"64K clusters":     {ClusterBits: 16, Order: 4},
	"512 byte ones":    {ClusterBits: 9, Order: 4},
	"2M ones":          {ClusterBits: 21, Order: 4},
	"1 bit refcounts":  {ClusterBits: 12, Order: 0},
	"64 bit refcounts": {ClusterBits: 12, Order: 6},
	"extended L2":      {ClusterBits: 14, Order: 4, Extended: true},
	"plain":            {ClusterBits: 12, Order: 4, Plain: true},
	"snapshot":         {ClusterBits: 12, Order: 4, Snapshot: true},
}

// Grow adds clusters to the file.
func (im *Image) Grow(n uint64) uint64 {
	off := im.take(n)
	im.Check(im.Truncate(int64(im.End())))
	return off
}

// SetZoneTable makes the extension say that the zone table is at byte off.
func (im *Image) SetZoneTable(off uint64) {
	for _, data := range format.FindExtensions(im.H.Extensions, format.ExtZoned) {
		format.LayoutV6.TableOffset.Put(data, off)
	}
	im.WriteHeader()
}

// AddBitmap gives the image a bitmap of one table and one data cluster.
func (im *Image) AddBitmap() (data uint64) {
	dir, table := im.Grow(1), im.Grow(1)
	data = im.Grow(1)
	for _, off := range []uint64{dir, table, data} {
		im.SetRefcount(off, 1)
	}
	im.Put(table, data)
	im.Put(dir, table)
	im.Write([]byte{0, 0, 0, 1, 0, 0, 0, 0, 1, 16, 0, 2, 0, 0, 0, 0, 'b', '0'}, dir+8)
	ext := []byte{0, 0, 0, 1, 0, 0, 0, 0}
	ext = binary.BigEndian.AppendUint64(ext, 32)
	ext = binary.BigEndian.AppendUint64(ext, dir)
	im.H.Extensions = append(im.H.Extensions, format.Extension{Type: format.ExtBitmaps, Data: ext})
	im.H.Autoclear |= format.AutoclearBitmaps
	im.WriteHeader()
	return data
}
