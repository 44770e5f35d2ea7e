// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// placement is one batch of changes to the map, in the order of the virtual
// disk. Image.mu is held but for the flush between writing and publishing.
type placement struct {
	image       *Image
	changes     []change
	tables      []newTable
	first, last uint64 // clusters of the virtual disk

	off  uint64 // byte of the virtual disk where data belongs
	data []byte // nil, or what the changed clusters are to hold from off on
}

// covers says whether clusters first to last are any business of the batch: in
// its range, or in an L2 table it is about to link.
func (p *placement) covers(first, last uint64) bool {
	if first <= p.last && last >= p.first {
		return true
	}
	bits := p.image.geo.L2Bits
	for _, t := range p.tables {
		if first>>bits <= t.index && last>>bits >= t.index {
			return true
		}
	}
	return false
}

// take takes space: refcounts, and the contents of tables. Nothing refers to it
// yet, and nothing may before it is durable.
func (p *placement) take() error {
	if err := p.takeTables(); err != nil {
		return err
	}
	return p.takeClusters()
}

// takeTables takes a cluster for each L2 table that is missing, which is zeros,
// or not ours alone, which gets a copy.
func (p *placement) takeTables() error {
	i := p.image
	last := ^uint64(0)
	for _, ch := range p.changes {
		index := ch.cluster >> i.geo.L2Bits
		if index == last {
			continue
		}
		last = index
		e := format.L1Entry(i.l1[index].entry.Load())
		ours, err := i.ownsTable(e)
		if err != nil || ours {
			if err != nil {
				return err
			}
			continue
		}
		if err := p.takeTable(index, e.Offset()); err != nil {
			return err
		}
	}
	return nil
}

// ownsTable says whether there is an L2 table that nobody else refers to.
func (i *Image) ownsTable(e format.L1Entry) (bool, error) {
	if e.Offset() == 0 {
		return false, nil
	}
	n, err := i.refs.get(e.Offset() >> i.geo.ClusterBits)
	if err == nil && n == 0 {
		err = i.corrupted(format.Corrupt("L2 table", e.Offset(), "has refcount 0"))
	}
	return n == 1, err
}

// takeTable takes a cluster for an L2 table and makes it a copy of the old one,
// if there is any: snapshots keep that.
func (p *placement) takeTable(index, old uint64) error {
	i := p.image
	x, err := i.refs.take(1, 0)
	if err != nil {
		return fmt.Errorf("taking space for an L2 table: %w", err)
	}
	t := newTable{index, x.first << i.geo.ClusterBits, old}
	if err := i.regions.add(format.KindL2, t.at, i.geo.ClusterSize()); err != nil {
		return i.corrupted(err)
	}
	p.tables = append(p.tables, t)
	if old == 0 {
		return nil
	}
	raw := make([]byte, i.geo.ClusterSize())
	if err := i.file.read(raw, old); err != nil {
		return err
	}
	return i.writeMeta(format.KindL2, raw, t.at)
}

// takeClusters takes host clusters for all changes that need one, in runs as
// long as the changes follow each other.
func (p *placement) takeClusters() error {
	for k := 0; k < len(p.changes); {
		want := p.wantingFrom(k)
		if want == 0 {
			k++
			continue
		}
		x, err := p.image.refs.take(want, p.hint(k))
		if err != nil {
			return fmt.Errorf("taking space for data: %w", err)
		}
		for c := range x.n {
			ch := &p.changes[k+int(c)]
			ch.host, ch.hosted, ch.taken = (x.first+c)<<p.image.geo.ClusterBits, true, true
		}
		k += int(x.n)
	}
	return nil
}

// wantingFrom is how many changes from k on, in a row, need a host cluster.
func (p *placement) wantingFrom(k int) uint64 {
	n := uint64(0)
	for _, ch := range p.changes[k:] {
		if !ch.wanting || ch.cluster != p.changes[k].cluster+n {
			break
		}
		n++
	}
	return n
}

// hint is the host cluster that would make change k continue what lies before
// it on the virtual disk; 0 if nothing does.
func (p *placement) hint(k int) uint64 {
	ch := &p.changes[k]
	if k > 0 && p.changes[k-1].cluster+1 == ch.cluster {
		return p.changes[k-1].host>>p.image.geo.ClusterBits + 1
	}
	if ch.cluster == 0 {
		return 0
	}
	if host := p.image.hostInFlight(ch.cluster - 1); host != 0 {
		return host>>p.image.geo.ClusterBits + 1
	}
	m, err := p.image.mapping(ch.cluster - 1)
	if err != nil || m.entry.Compressed() || m.entry.Offset() == 0 {
		return 0
	}
	return m.entry.Offset()>>p.image.geo.ClusterBits + 1
}

// undo gives back what was taken for changes that were never published. What
// can't be given back stays a leak.
func (p *placement) undo() {
	i := p.image
	if i.Failed() != nil {
		return
	}
	for _, t := range p.tables {
		i.regions.remove(t.at, i.geo.ClusterSize())
		i.refs.drop(run{t.at >> i.geo.ClusterBits, 1})
	}
	for _, x := range p.takenRuns() {
		i.refs.drop(x)
	}
}

// takenRuns joins the host clusters taken for the changes.
func (p *placement) takenRuns() []run {
	var runs []run
	for _, ch := range p.changes {
		c := ch.host >> p.image.geo.ClusterBits
		switch last := len(runs) - 1; {
		case !ch.taken:
		case last >= 0 && runs[last].end() == c:
			runs[last].n++
		default:
			runs = append(runs, run{c, 1})
		}
	}
	return runs
}
