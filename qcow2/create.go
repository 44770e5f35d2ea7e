// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// Create writes an image of version 3 to f, whatever was there: an empty one, or
// one that reads as its backing file. The header
// goes last, after everything it points to is durable: a create cut short leaves
// no image. Contradicting options are refused as Validate does.
func Create(f storage.File, o CreateOptions) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	b := builder{options: o}
	b.geo = b.options.Geometry()
	b.arrange()
	header, err := b.header()
	if err != nil {
		return err
	}
	return b.write(f, header)
}

// builder lays out a new image. Places and sizes are clusters of the file, in
// this order: header, refcount table, refcount blocks, zone table, counter table, L1
// table.
type builder struct {
	options CreateOptions
	geo     format.Geometry

	refTable, refBlocks, zoneTable, counters, l1Table run
}

// arrange finds out how many refcount blocks count everything, themselves
// included.
func (b *builder) arrange() {
	if b.options.Zone != nil {
		b.zoneTable.n = b.geo.Clusters(b.zoneTableBytes())
		if b.options.Zone.Counters {
			b.counters.n = b.geo.Clusters(b.zoneTableBytes() / format.ZoneEntrySize * format.CounterBytes)
		}
	}
	b.l1Table.n = b.geo.Clusters(b.geo.L1Needed(b.options.Size) * 8)
	for b.refBlocks.n = 1; ; b.refBlocks.n++ {
		b.refTable.n = b.geo.Clusters(b.refBlocks.n * 8)
		b.refTable.first = 1
		b.refBlocks.first = b.refTable.end()
		b.zoneTable.first = b.refBlocks.end()
		b.counters.first = b.zoneTable.end()
		b.l1Table.first = b.counters.end()
		if b.refBlocks.n<<b.geo.RefBlockBits >= b.l1Table.end() {
			return
		}
	}
}

func (b *builder) zoneTableBytes() uint64 {
	return format.DivUp(b.options.Size, b.options.Zone.Size) * format.ZoneEntrySize
}

func (b *builder) offset(x run) uint64 { return x.first << b.geo.ClusterBits }

func (b *builder) header() ([]byte, error) {
	o := &b.options
	h := &format.Header{
		Version:               3,
		ClusterBits:           uint32(b.geo.ClusterBits),
		Size:                  o.Size,
		L1Size:                uint32(b.geo.L1Needed(o.Size)),
		L1TableOffset:         b.offset(b.l1Table),
		RefcountTableOffset:   b.offset(b.refTable),
		RefcountTableClusters: uint32(b.refTable.n),
		RefcountOrder:         uint32(b.geo.RefOrder),
	}
	if o.ExtendedL2 {
		h.Incompatible |= format.IncompatExtendedL2
	}
	if o.Zone != nil {
		h.Incompatible |= format.IncompatZoned
		h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtZoned, Data: b.zoneExtension()})
	}
	private := format.PrivateExtension{LogicalBlockSize: o.LogicalBlockSize}
	if base := o.baseImage(); base != nil {
		private.Conditions = base.ZoneConditions()
	}
	if b.counters.n > 0 { // whose clusters are zeros: nothing is counted yet
		private.Counters = b.offset(b.counters)
	}
	h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtPrivate, Data: private.Encode()})
	if o.Backing != nil {
		h.BackingFile = o.Backing.Name
		h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtBackingFormat,
			Data: []byte(o.Backing.Format)})
	}
	if o.ClusterSize > 4096 { // smaller headers have no room for it
		h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtFeatureNames,
			Data: format.EncodeFeatureNames(format.FeatureNames)})
	}
	return h.Encode()
}

func (b *builder) zoneExtension() []byte {
	x := b.options.zoneExtension()
	x.TableOffset = b.offset(b.zoneTable)
	return format.LayoutNamed(b.options.Zone.Revision).Encode(x)
}

// write puts everything but the header into an emptied file, then the header.
func (b *builder) write(f storage.File, header []byte) error {
	d, err := emptied(f)
	if err != nil {
		return err
	}
	if err := d.fresh(0, b.l1Table.end()<<b.geo.ClusterBits); err != nil {
		return err
	}
	for _, part := range []func(*imageFile) error{b.writeRefcounts, b.writeZoneTable} {
		if err := part(d); err != nil {
			return err
		}
	}
	if err := d.Datasync(); err != nil {
		return err
	}
	if err := d.write(header, 0); err != nil {
		return err
	}
	return d.Datasync()
}

// emptied makes sure that no header of an older image outlives a crash in the
// middle of what comes. A block device keeps its length.
func emptied(f storage.File) (*imageFile, error) {
	old, err := f.Size()
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	d, err := newImageFile(f)
	if err != nil || old == 0 {
		return d, err
	}
	if err := d.writeZeros(0, min(d.length.Load(), 512)); err != nil {
		return nil, err
	}
	return d, d.Datasync()
}

// writeRefcounts counts every cluster up to the end of the L1 table once.
func (b *builder) writeRefcounts(d *imageFile) error {
	var table []byte
	for k := range b.refBlocks.n {
		table = binary.BigEndian.AppendUint64(table, (b.refBlocks.first+k)<<b.geo.ClusterBits)
	}
	if err := d.write(table, b.offset(b.refTable)); err != nil {
		return err
	}
	block := format.RefcountBlock{Order: b.geo.RefOrder, Data: make([]byte, b.geo.ClusterSize())}
	for first, k := uint64(0), uint64(0); k < b.refBlocks.n; k++ {
		clear(block.Data)
		for index := uint64(0); index < block.Len() && first+index < b.l1Table.end(); index++ {
			block.Set(index, 1)
		}
		if err := d.write(block.Data, (b.refBlocks.first+k)<<b.geo.ClusterBits); err != nil {
			return err
		}
		first += block.Len()
	}
	return nil
}

// writeZoneTable makes every zone EMPTY, or what it is in the backing file.
func (b *builder) writeZoneTable(d *imageFile) error {
	if b.options.Zone == nil {
		return nil
	}
	l := format.LayoutNamed(b.options.Zone.Revision)
	x := b.options.zoneExtension()
	x.TableOffset = b.offset(b.zoneTable)
	info := format.NewZonedInfo(l, x, b.options.Size)
	slots, err := b.slots(info)
	if err != nil {
		return err
	}
	codec := format.EntryCodec{Layout: l, Info: info, Order: l.ByteOrder()}
	return codec.EncodeSlots(slots, d.write)
}
