// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"

	"zqublkd/qcow2/format"
)

// openWritable makes an image that was loaded for reading fit for writing.
func (i *Image) openWritable(o OpenOptions) error {
	i.enterRegions()
	if err := i.Refused(UseWrite); err != nil {
		if o.Lenient {
			return nil
		}
		return err
	}
	if err := i.loadRefcounts(); err != nil {
		return err
	}
	if err := i.clearAutoclear(); err != nil {
		return err
	}
	i.readOnly = false
	if i.header.RawData() {
		if err := i.data.grow(i.size); err != nil {
			return err
		}
	}
	return i.growToCluster()
}

// growToCluster makes the file end with a whole cluster. A device may end within
// one: there is no room for that cluster, and it is never given out.
func (i *Image) growToCluster() error {
	err := i.file.grow(format.RoundUp(i.file.length.Load(), i.geo.ClusterSize()))
	if noRoom(err) {
		return nil
	}
	return err
}

// enterRegions enters all metadata into the region map. Metadata on top of
// metadata stops writing.
func (i *Image) enterRegions() {
	h := i.header
	i.enter(format.KindHeader, 0, i.geo.ClusterSize())
	i.enter(format.KindL1, h.L1TableOffset, uint64(h.L1Size)*8)
	if i.zones != nil {
		i.enter(format.KindZoneTable, i.zones.TableOffset, i.zones.TableSize())
	}
	if i.HasCounters() {
		i.enter(format.KindCounters, i.counterTable(), uint64(i.zones.Zones)*format.CounterBytes)
	}
	for k := range i.l1 {
		e := format.L1Entry(i.l1[k].entry.Load())
		if e == 0 {
			continue
		}
		if err := i.checkL1Entry(uint64(k), e); err != nil {
			i.refuse(UseWrite, err)
			return
		}
		i.enter(format.KindL2, e.Offset(), i.geo.ClusterSize())
	}
	i.enterRefcounts()
	i.refuse(UseWrite, i.enterSnapshots())
}

func (i *Image) enter(kind format.ClusterKind, off, n uint64) {
	i.refuse(UseWrite, i.regions.add(kind, off, n))
}

// enterRefcounts reads the refcount table and enters it and its blocks.
func (i *Image) enterRefcounts() {
	table, err := i.readRefTable()
	if err != nil {
		i.refuse(UseWrite, err)
		return
	}
	i.enter(format.KindRefTable, i.header.RefcountTableOffset, uint64(len(table))*8)
	for k, e := range table {
		if err := i.checkRefTableEntry(uint64(k), e); err != nil {
			i.refuse(UseWrite, err)
			return
		}
		if e != 0 {
			i.enter(format.KindRefBlock, e.Offset(), i.geo.ClusterSize())
		}
	}
	i.refs = newRefcounts(i, table)
}

func (i *Image) readRefTable() ([]format.RefcountTableEntry, error) {
	h := i.header
	n := uint64(h.RefcountTableClusters) << i.geo.ClusterBits
	switch {
	case n == 0 || n > max(format.MaxRefTableBytes, i.geo.ClusterSize()):
		return nil, format.Corrupt("header", format.RefTableField+8, "says the refcount table has %d clusters, which is none or above the limit", h.RefcountTableClusters)
	case h.RefcountTableOffset == 0 || i.geo.InCluster(h.RefcountTableOffset) != 0:
		return nil, format.Corrupt("header", format.RefTableField, "puts the refcount table at %#x, which is no cluster of its own", h.RefcountTableOffset)
	}
	raw := make([]byte, n)
	if err := i.readTable("refcount table", raw[:1], h.RefcountTableOffset); err != nil {
		return nil, err
	}
	if err := i.file.read(raw, h.RefcountTableOffset); err != nil {
		return nil, err
	}
	table := make([]format.RefcountTableEntry, n/8)
	for k := range table {
		table[k] = format.RefcountTableEntry(binary.BigEndian.Uint64(raw[k*8:]))
	}
	return table, nil
}

func (i *Image) checkRefTableEntry(k uint64, e format.RefcountTableEntry) error {
	at := i.header.RefcountTableOffset + k*8
	switch {
	case e.Reserved() != 0:
		return format.Corrupt("refcount table entry", at, "has reserved bits set (%#x)", uint64(e))
	case i.geo.InCluster(e.Offset()) != 0:
		return format.Corrupt("refcount table entry", at, "points into a cluster (%#x)", e.Offset())
	case e.Offset() >= i.file.length.Load() && e != 0:
		return format.Corrupt("refcount table entry", at, "points past the end of the file (%#x)", e.Offset())
	}
	return nil
}

// loadRefcounts finds the end of what is in use.
func (i *Image) loadRefcounts() error { return i.refs.findTail() }

// clearAutoclear drops promises this program does not keep, durably before
// anything else is written. It keeps a data file raw, and bitmaps that are marked
// as in use promise nothing.
func (i *Image) clearAutoclear() error {
	old := i.header.Autoclear
	if old == 0 {
		return nil
	}
	keep := format.AutoclearFeatures(0)
	if i.geo.External {
		keep = format.AutoclearRawExternal
	}
	if old&format.AutoclearBitmaps != 0 {
		marked, err := i.markBitmaps()
		if err != nil {
			return err
		}
		if marked {
			keep |= format.AutoclearBitmaps
		}
	}
	i.header.Autoclear &= keep
	if i.header.Autoclear == old {
		return i.datasync()
	}
	word := binary.BigEndian.AppendUint64(nil, uint64(i.header.Autoclear))
	if err := i.writeMeta(format.KindHeader, word, format.AutoclearField); err != nil {
		return err
	}
	return i.datasync()
}
