// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"encoding/binary"
	"maps"
	"slices"
)

// numbers are those of the blocks in memory, in order.
func (r *refs) numbers() []uint64 { return slices.Sorted(maps.Keys(r.blocks)) }

// writeFresh writes what nothing refers to yet: new blocks and a table in a new place.
func (r *refs) writeFresh() error {
	for _, b := range r.numbers() {
		if x := r.blocks[b]; x.fresh {
			if err := r.e.write(x.raised.Data, r.table[b].Offset()); err != nil {
				return err
			}
		}
	}
	if !r.grown {
		return nil
	}
	return r.writeTable()
}

func (r *refs) writeTable() error {
	raw := make([]byte, r.tableAt.n<<r.e.g.ClusterBits)
	for k, w := range r.table {
		binary.BigEndian.PutUint64(raw[k*8:], uint64(w))
	}
	return r.e.write(raw, r.tableAt.first<<r.e.g.ClusterBits)
}

// writeRaised brings the higher refcounts into force.
func (r *refs) writeRaised() error {
	if r.changed && !r.grown {
		if err := r.writeTable(); err != nil {
			return err
		}
	}
	for _, b := range r.numbers() {
		x := r.blocks[b]
		if x.fresh || slices.Equal(x.before.Data, x.raised.Data) {
			continue
		}
		if err := r.e.write(x.raised.Data, r.table[b].Offset()); err != nil {
			return err
		}
	}
	return nil
}

// writeFinal brings the refcounts of the end into force.
func (r *refs) writeFinal() error {
	for _, b := range r.numbers() {
		x := r.blocks[b]
		if slices.Equal(x.final.Data, x.raised.Data) {
			continue
		}
		if err := r.e.write(x.final.Data, r.table[b].Offset()); err != nil {
			return err
		}
	}
	return nil
}

// end is the cluster behind the last one in use in the end.
func (r *refs) end() (uint64, error) {
	for b := len(r.table) - 1; b >= 0; b-- {
		x, err := r.block(uint64(b))
		if err != nil {
			return 0, err
		}
		if x == nil {
			continue
		}
		if n := x.final.Used(); n > 0 {
			return uint64(b)<<r.e.g.RefBlockBits + n, nil
		}
	}
	return 0, nil
}
