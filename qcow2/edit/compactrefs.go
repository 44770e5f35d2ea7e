// SPDX-License-Identifier: Apache-2.0

package edit

import "zqublkd/qcow2/format"

// lower moves the refcount structures from the end of the file into holes, and gives up
// blocks that count nothing but themselves.
func (r *refs) lower() error {
	for b := len(r.table) - 1; b >= 0; b-- {
		if r.table[b] == 0 {
			continue
		}
		gone, err := r.dropEmpty(uint64(b))
		if err != nil {
			return err
		}
		if !gone {
			if err := r.lowerBlock(uint64(b)); err != nil {
				return err
			}
		}
	}
	for len(r.table) > 1 && r.table[len(r.table)-1] == 0 {
		r.table = r.table[:len(r.table)-1]
	}
	if r.tableAt.first+r.tableAt.n <= r.below {
		return nil
	}
	n := r.e.g.Clusters(uint64(len(r.table)) * 8)
	c, err := r.hole(n, r.below)
	if err != nil || c == 0 {
		return err
	}
	return r.tableTo(c<<r.e.g.ClusterBits, n)
}

// dropEmpty gives up block b if nothing it counts is in use, now or later.
func (r *refs) dropEmpty(b uint64) (bool, error) {
	x, err := r.block(b)
	if err != nil {
		return false, err
	}
	own := r.table[b].Offset() >> r.e.g.ClusterBits
	inside := own>>r.e.g.RefBlockBits == b
	for k := range max(x.raised.Used(), x.final.Used()) {
		if (x.raised.Get(k) > 0 || x.final.Get(k) > 0) && !(inside && own&(1<<r.e.g.RefBlockBits-1) == k) {
			return false, nil
		}
	}
	if !inside {
		if err := r.drop(own); err != nil {
			return false, err
		}
	}
	r.table[b], r.changed = 0, true
	delete(r.blocks, b)
	return true, nil
}

// lowerBlock moves block b down if it lies behind what the file is to be.
func (r *refs) lowerBlock(b uint64) error {
	old := r.table[b].Offset() >> r.e.g.ClusterBits
	if old < r.below {
		return nil
	}
	x, err := r.block(b)
	if err != nil {
		return err
	}
	c, err := r.hole(1, r.below)
	if err != nil || c == 0 {
		return err
	}
	x.fresh, r.changed = true, true
	r.table[b] = format.RefcountTableEntry(c << r.e.g.ClusterBits)
	return r.drop(old)
}
