// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"slices"

	"zqublkd/qcow2/format"
)

// publish makes the map refer to what write has made durable, L2 table by L2
// table, and hands the clusters the map no longer refers to to the free list. On
// an error the tables done so far stay, and so do the entries of the one that
// failed that the file has; the rest is undone.
func (p *placement) publish() error {
	for len(p.changes) > 0 {
		group := p.group()
		if err := p.publishTable(group); err != nil {
			p.recall(len(group))
			p.undo()
			return err
		}
		p.image.retire(group)
		p.forget(len(group))
	}
	return nil
}

// group is the leading changes that fall into one L2 table.
func (p *placement) group() []change {
	bits := p.image.geo.L2Bits
	n := 1
	for n < len(p.changes) && p.changes[n].cluster>>bits == p.changes[0].cluster>>bits {
		n++
	}
	return p.changes[:n]
}

// forget drops the leading n changes and their L2 table from the batch.
func (p *placement) forget(n int) {
	index := p.changes[0].cluster >> p.image.geo.L2Bits
	if len(p.tables) > 0 && p.tables[0].index == index {
		p.tables = p.tables[1:]
	}
	p.changes = p.changes[n:]
}

// recall forgets those of the leading n changes, all of one L2 table, that the
// file has though writing them has failed. A write for which there was no room
// has left the rest of the file as it was, in the page cache and so on the disk.
func (p *placement) recall(n int) {
	i := p.image
	group, tables := slices.Clone(p.changes[:n]), p.tables
	p.forget(n)
	index := group[0].cluster >> i.geo.L2Bits
	linked, err := i.wordAt(i.header.L1TableOffset + index*8)
	if err != nil {
		return // they leak
	}
	link := len(tables) > 0 && tables[0].index == index
	if link && format.L1Entry(linked).Offset() != tables[0].at {
		p.changes, p.tables = append(group, p.changes...), tables
		return
	}
	if link {
		i.retireTable(tables[0].old)
	}
	i.l1[index].entry.Store(linked)
	for k := len(group) - 1; k >= 0; k-- {
		index := group[k].cluster & (i.geo.L2Entries() - 1)
		word, err := i.wordAt(format.L1Entry(linked).Offset() + index*uint64(i.geo.EntryWords())*8)
		if err == nil && format.L2Entry(word).Offset() != group[k].host {
			p.changes = append([]change{group[k]}, p.changes...)
		}
	}
}

// wordAt reads a word of a table in the file.
func (i *Image) wordAt(at uint64) (uint64, error) {
	var b [8]byte
	err := i.file.read(b[:], at)
	return binary.BigEndian.Uint64(b[:]), err
}

// publishTable writes the entries, links the table if it is new, and then lets
// readers see both. Readers that load the table meanwhile wait for cache.mu.
func (p *placement) publishTable(group []change) error {
	i := p.image
	index := group[0].cluster >> i.geo.L2Bits
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	at := format.L1Entry(i.l1[index].entry.Load()).Offset()
	link := len(p.tables) > 0 && p.tables[0].index == index
	if link {
		at = p.tables[0].at
	}
	table, err := i.loadTable(index)
	if err != nil {
		return err
	}
	if err := i.writeEntries(at, group); err != nil {
		i.dropTable(index)
		return err
	}
	if link {
		if err := i.linkTable(index, at); err != nil {
			i.dropTable(index)
			return err
		}
	}
	fresh := table == nil
	if fresh {
		table = &l2table{step: uint64(i.geo.EntryWords()), words: make([]uint64, i.geo.ClusterSize()/8)}
	}
	for k := range group {
		table.set(group[k].cluster&(i.geo.L2Entries()-1), i.mappingOf(&group[k]))
	}
	if fresh {
		i.keepTable(index, table)
	}
	if link {
		i.l1[index].entry.Store(uint64(format.NewL1Entry(at)))
		i.retireTable(p.tables[0].old)
	}
	return nil
}

// retireTable drops the reference to a table that was copied.
func (i *Image) retireTable(at uint64) {
	if at != 0 {
		i.frees.add(run{at >> i.geo.ClusterBits, 1})
	}
}

// mappingOf is the entry a change makes.
func (i *Image) mappingOf(ch *change) mapping {
	if ch.zero {
		return i.zeroMapping(ch)
	}
	m := mapping{entry: format.NewL2Entry(ch.host)}
	if i.geo.Extended {
		m.bitmap = format.L2AllAllocated
	}
	return m
}

// writeEntries writes the group's entries to the L2 table at byte at, those in
// a row as one write.
func (i *Image) writeEntries(at uint64, group []change) error {
	words := i.geo.EntryWords()
	for len(group) > 0 {
		var b []byte
		n := 0
		for n < len(group) && group[n].cluster == group[0].cluster+uint64(n) {
			b = i.mappingOf(&group[n]).append(b, words)
			n++
		}
		index := group[0].cluster & (i.geo.L2Entries() - 1)
		if err := i.writeMeta(format.KindL2, b, at+index*uint64(words)*8); err != nil {
			return err
		}
		group = group[n:]
	}
	return nil
}

// zeroMapping reads as zeros, with or without a host cluster. Version 2 knows no
// zero flag: without a backing file, no entry means the same.
func (i *Image) zeroMapping(ch *change) mapping {
	m := mapping{}
	if ch.hosted {
		m.entry = format.NewL2Entry(ch.host)
	}
	switch {
	case i.geo.Extended:
		m.bitmap = format.L2AllAllocated << format.Subclusters
	case i.header.Version >= 3:
		m.entry |= format.L2Zero
	}
	return m
}

// linkTable writes the L1 entry of a new L2 table.
func (i *Image) linkTable(index, at uint64) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(format.NewL1Entry(at)))
	return i.writeMeta(format.KindL1, b, i.header.L1TableOffset+index*8)
}

// retire hands over what the group's old entries referred to and its new ones
// don't.
func (i *Image) retire(group []change) {
	for k := range group {
		i.retireMapping(group[k].old, &group[k])
	}
}

// retireMapping drops the references of an old mapping unless the change keeps
// its host cluster.
func (i *Image) retireMapping(old mapping, ch *change) {
	e := old.entry
	if i.geo.External {
		return // nothing is counted in the data file
	}
	if e.Compressed() {
		off, n := e.CompressedRange(i.geo.ClusterBits)
		first, last := off>>i.geo.ClusterBits, (off+n-1)>>i.geo.ClusterBits
		i.frees.add(run{first, last - first + 1})
		return
	}
	if e.Offset() != 0 && !(ch.hosted && e.Offset() == ch.host) {
		i.frees.add(run{e.Offset() >> i.geo.ClusterBits, 1})
	}
}
