// SPDX-License-Identifier: Apache-2.0

package qcow2

import "slices"

// change gives one cluster of the virtual disk a new mapping.
type change struct {
	cluster uint64  // of the virtual disk
	old     mapping // as Lookup sees it now
	fill    fill
	zero    bool   // it becomes zero by its entry: nothing is filled
	wanting bool   // a host cluster has to be taken
	hosted  bool   // it has a host cluster
	taken   bool   // which was given out for this change
	host    uint64 // byte offset of the host cluster
}

// fill says what the host cluster has to hold before it is mapped.
type fill uint8

const (
	fillNothing fill = iota // it holds the right bytes already
	fillFresh               // zeros, which a taken cluster holds
	fillErase               // zeros over whatever is there
	fillMissing             // what old reads as, where that is not in its host cluster
	fillCopy                // what old reads as
)

// empty says that there is nothing to be kept: space may be taken ahead.
func (f fill) empty() bool { return f == fillFresh || f == fillErase }

// newTable is an L2 table to be linked into the L1 table.
type newTable struct {
	index uint64 // in the L1 table
	at    uint64 // byte offset in the file
	old   uint64 // byte offset of the shared table it is a copy of, 0: none
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
		if c >= first+n && (err != nil || !needed || !ch.fill.empty()) {
			return nil
		}
		if err != nil {
			return err
		}
		if needed || p.dataIn(c) != nil {
			p.changes = append(p.changes, ch)
		}
		p.last = c
	}
	return nil
}

// planZero makes n clusters from first on read as zeros without a host cluster,
// or with a fresh one where the format has no other way. Those with keep stay
// where they are.
func (p *placement) planZero(first, n uint64, keep bool) error {
	i := p.image
	p.first, p.last = first, first+n-1
	for c := first; c < first+n; c++ {
		m, err := i.mapping(c)
		if err != nil {
			return err
		}
		ch := change{cluster: c, old: m, zero: true, hosted: keep, host: m.entry.Offset()}
		if i.needsSpace() {
			ch.zero, ch.fill, ch.wanting = false, fillFresh, true
		}
		p.changes = append(p.changes, ch)
	}
	return nil
}

// needsFlush says whether something was written that must be durable before the
// map refers to it: all but zeros in existing tables.
func (p *placement) needsFlush() bool {
	return len(p.tables) > 0 || slices.ContainsFunc(p.changes, func(ch change) bool { return !ch.zero })
}

// dataIn is the part of data that belongs into a cluster, nil if none.
func (p *placement) dataIn(cluster uint64) []byte {
	start := cluster << p.image.geo.ClusterBits
	from, to := max(start, p.off), min(start+p.image.geo.ClusterSize(), p.off+uint64(len(p.data)))
	if from >= to {
		return nil
	}
	return p.data[from-p.off : to-p.off]
}
