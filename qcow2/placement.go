package qcow2

import "fmt"

// placement is one batch of changes to the map, in the order of the virtual
// disk. Image.mu is held but for the flush between writing and publishing.
type placement struct {
	image       *Image
	changes     []change
	tables      []newTable
	first, last uint64 // clusters of the virtual disk
}

// change gives one cluster of the virtual disk a new mapping.
type change struct {
	cluster uint64  // of the virtual disk
	old     mapping // as Lookup sees it now
	fill    fill
	host    uint64 // byte offset of the host cluster
	taken   bool   // host was given out for this change
}

// fill says what the host cluster has to hold before it is mapped.
type fill uint8

const (
	fillNothing fill = iota // it holds the right bytes already
	fillFresh               // zeros, which a taken cluster holds
	fillZeros               // zeros over old bytes, for what old does not map
	fillCopy                // what old reads as
)

// newTable is an L2 table to be linked into the L1 table.
type newTable struct {
	index uint64 // in the L1 table
	at    uint64 // byte offset in the file
}

// plan finds out what has to change for n clusters from first on, and for up to
// extra more that are not mapped at all.
func (p *placement) plan(first, n, extra uint64) error {
	p.first = first
	for c := first; c < first+n+extra; c++ {
		if c >= first+n && p.image.busy(c, 1) {
			return nil
		}
		ch, needed, err := p.image.judge(c)
		if c >= first+n && (err != nil || !needed || ch.fill != fillFresh) {
			return nil
		}
		if err != nil {
			return err
		}
		if needed {
			p.changes = append(p.changes, ch)
		}
		p.last = c
	}
	return nil
}

// covers says whether clusters first to last are any business of the batch: in
// its range, or in an L2 table it is about to link.
func (p *placement) covers(first, last uint64) bool {
	if first <= p.last && last >= p.first {
		return true
	}
	bits := p.image.geo.l2Bits
	for _, t := range p.tables {
		if first>>bits <= t.index && last>>bits >= t.index {
			return true
		}
	}
	return false
}

// write takes space and fills it, refcounts and contents. Nothing refers to it
// yet, and nothing may before it is durable.
func (p *placement) write() error {
	if err := p.takeTables(); err != nil {
		return err
	}
	if err := p.takeClusters(); err != nil {
		return err
	}
	for k := range p.changes {
		if err := p.fill(&p.changes[k]); err != nil {
			return err
		}
	}
	return nil
}

// takeTables takes a cluster, which is zeros, for each missing L2 table, and
// makes sure that existing ones are ours alone.
func (p *placement) takeTables() error {
	i := p.image
	last := ^uint64(0)
	for _, ch := range p.changes {
		index := ch.cluster >> i.geo.l2Bits
		if index == last {
			continue
		}
		last = index
		if e := L1Entry(i.l1[index].entry.Load()); e != 0 {
			if err := i.ownTable(index, e); err != nil {
				return err
			}
			continue
		}
		x, err := i.refs.take(1, 0)
		if err != nil {
			return fmt.Errorf("taking space for an L2 table: %w", err)
		}
		t := newTable{index, x.first << i.geo.clusterBits}
		if err := i.regions.add(regionL2, t.at, i.geo.clusterSize()); err != nil {
			return i.corrupted(err)
		}
		p.tables = append(p.tables, t)
	}
	return nil
}

// ownTable refuses to change an L2 table that others refer to as well.
func (i *Image) ownTable(index uint64, e L1Entry) error {
	n, err := i.refs.get(e.Offset() >> i.geo.clusterBits)
	if err == nil && n != 1 {
		err = i.corrupted(corrupt("L2 table", e.Offset(), "has refcount %d instead of 1", n))
	}
	return err
}

// takeClusters takes host clusters for all changes that need one, in runs as
// long as the changes follow each other.
func (p *placement) takeClusters() error {
	for k := 0; k < len(p.changes); {
		want := p.wanting(k)
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
			ch.host, ch.taken = (x.first+c)<<p.image.geo.clusterBits, true
		}
		k += int(x.n)
	}
	return nil
}

// wanting is how many changes from k on, in a row, need a host cluster.
func (p *placement) wanting(k int) uint64 {
	n := uint64(0)
	for _, ch := range p.changes[k:] {
		if ch.host != 0 || ch.cluster != p.changes[k].cluster+n {
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
		return p.changes[k-1].host>>p.image.geo.clusterBits + 1
	}
	if ch.cluster == 0 {
		return 0
	}
	if host := p.image.hostInFlight(ch.cluster - 1); host != 0 {
		return host>>p.image.geo.clusterBits + 1
	}
	m, err := p.image.mapping(ch.cluster - 1)
	if err != nil || m.entry.Compressed() || m.entry.Offset() == 0 {
		return 0
	}
	return m.entry.Offset()>>p.image.geo.clusterBits + 1
}

// fill gives a host cluster the contents its change needs.
func (p *placement) fill(ch *change) error {
	i := p.image
	switch ch.fill {
	case fillZeros:
		return i.zeroUnmapped(ch.host, ch.old)
	case fillCopy:
		buf := make([]byte, i.geo.clusterSize())
		if err := i.readMapping(buf, 0, ch.cluster, ch.old); err != nil {
			return err
		}
		return i.writeData(buf, ch.host)
	}
	return nil
}

// zeroUnmapped zeros the parts of a host cluster that its mapping does not read.
func (i *Image) zeroUnmapped(host uint64, m mapping) error {
	if err := i.regions.check(regionData, host, i.geo.clusterSize()); err != nil {
		return i.corrupted(err)
	}
	if !i.geo.extended {
		return i.disk.zero(host, i.geo.clusterSize())
	}
	size := i.geo.clusterSize() / subclusters
	for sub := uint(0); sub < subclusters; sub++ {
		if m.bitmap.Allocated(sub) {
			continue
		}
		if err := i.disk.zero(host+uint64(sub)*size, size); err != nil {
			return err
		}
	}
	return nil
}

// undo gives back what was taken for changes that were never published. What
// can't be given back stays a leak.
func (p *placement) undo() {
	i := p.image
	if i.Failed() != nil {
		return
	}
	for _, t := range p.tables {
		i.regions.remove(t.at, i.geo.clusterSize())
		i.refs.drop(run{t.at >> i.geo.clusterBits, 1})
	}
	for _, x := range p.takenRuns() {
		i.refs.drop(x)
	}
}

// takenRuns joins the host clusters taken for the changes.
func (p *placement) takenRuns() []run {
	var runs []run
	for _, ch := range p.changes {
		c := ch.host >> p.image.geo.clusterBits
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
