// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"slices"
	"sort"

	"zqublkd/internal/storage"
)

// Survives decides what of an operation that was not synced is on the disk
// after a crash. It is asked once for a truncate or punch, and for a write
// once per 512-byte sector of the file that the write touches: sector 0 is
// the write's first. A disk writes a sector whole or not at all.
type Survives func(op, sector int) bool

// All is what the death of the process leaves: the page cache lives on.
func All(op, sector int) bool { return true }

// None is the oldest state the file system may show.
func None(op, sector int) bool { return false }

// Shuffled keeps each operation, loses it, or tears it between sectors, by a
// seed: writeback has no order, so any choice may be what the disk got to.
func Shuffled(seed uint64) Survives {
	return func(op, sector int) bool {
		own := mix(seed ^ mix(uint64(op)))
		switch own % 3 {
		case 0:
			return false
		case 1:
			return true
		}
		return mix(own^mix(uint64(sector)))%2 == 0
	}
}

// Paged keeps of each page of the file all that was done to it up to a moment of
// the first n operations, drawn by a seed, and loses the rest: the kernel writes
// pages back in any order, one at any time and each as it is then, so that one
// write may be there in some of its pages only.
func (r *Recorder) Paged(n int, seed uint64) Survives {
	r.mu.Lock()
	ops := slices.Clone(r.ops[:min(max(n, 0), len(r.ops))])
	r.mu.Unlock()
	upTo := func(page int64) int { return int(mix(seed^mix(uint64(page))) % uint64(len(ops)+1)) }
	return func(op, sector int) bool {
		if op >= len(ops) {
			return false
		}
		at := ops[op].Off
		if ops[op].Kind == OpWrite {
			at = at/storage.SectorBytes*storage.SectorBytes + int64(sector)*storage.SectorBytes
		}
		return op < upTo(at/memPage)
	}
}

// mix is the finalizer of splitmix64: every bit of x changes half of the
// result, so that neighbouring seeds and sectors have nothing in common.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// TornAt keeps everything but cuts one operation after some sectors.
func TornAt(cut, sectors int) Survives {
	return func(op, sector int) bool { return op != cut || sector < sectors }
}

// Only keeps the operations whose bit is set in mask, by their place in list,
// and loses the others.
func Only(list []int, mask uint64) Survives {
	kept := make(map[int]bool, len(list))
	for k, op := range list {
		kept[op] = mask>>k&1 != 0
	}
	return func(op, _ int) bool { return kept[op] }
}

// TornOff loses everything but the first sectors of one operation.
func TornOff(cut, sectors int) Survives {
	return func(op, sector int) bool { return op == cut && sector < sectors }
}

// Crash returns what the disk may hold if power fails after the first n
// operations: everything a successful sync covers, and of the rest what
// survives. Operations that survive apply in their order, as the page cache
// has them; losing any of them is all the reordering writeback can do.
//
// What was waiting when a sync failed is not covered by any later sync: its
// pages count as clean. A drop decides what the disk has of it.
func (r *Recorder) Crash(n int, survives Survives) *Mem {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := r.ops[:min(max(n, 0), len(r.ops))]
	from := r.settled(len(ops))
	durable := covered(ops, from.ops)
	m := from.mem.Clone()
	for i := from.ops; i < len(ops); i++ {
		if durable[i-from.ops] {
			ops[i].apply(m)
		} else {
			ops[i].applyPart(m, func(sector int) bool { return survives(i, sector) })
		}
	}
	return m
}

// Fork is a recorder that has seen the first n operations: what somebody finds who
// opens the file when whoever wrote to it was killed there.
func (r *Recorder) Fork(n int) *Recorder {
	file := r.Crash(n, All)
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Recorder{base: r.base.Clone(), file: file, ops: slices.Clone(r.ops[:n]), lost: r.lost}
}

// Pending lists the operations among the first n that a crash after them may
// lose.
func (r *Recorder) Pending(n int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := r.ops[:min(max(n, 0), len(r.ops))]
	from := r.settled(len(ops))
	var list []int
	for k, durable := range covered(ops, from.ops) {
		if !durable && ops[from.ops+k].changes() {
			list = append(list, from.ops+k)
		}
	}
	return list
}

// settled is the last moment within the first n operations at which all before
// was durable. What is on the disk then is computed once.
func (r *Recorder) settled(n int) moment {
	if len(r.moments) == 0 {
		r.moments = []moment{{0, r.base.Clone()}}
	}
	for ; r.looked < n; r.looked++ {
		switch op := r.ops[r.looked]; {
		case op.Kind == OpDrop:
			r.lossy = false
			r.moments = append(r.moments, moment{r.looked + 1, op.Left})
		case op.Kind != OpSync || r.lossy:
		case op.Err != nil:
			r.lossy = true
		default:
			last := r.moments[len(r.moments)-1]
			m := last.mem.Clone()
			for _, op := range r.ops[last.ops:r.looked] {
				op.apply(m)
			}
			r.moments = append(r.moments, moment{r.looked + 1, m})
		}
	}
	k := sort.Search(len(r.moments), func(k int) bool { return r.moments[k].ops > n })
	return r.moments[k-1]
}

// moment is what the disk holds after some operations, all of them durable.
type moment struct {
	ops int
	mem *Mem
}

// covered tells which operations from the given one on a successful sync has
// made durable.
func covered(ops []Op, from int) []bool {
	durable := make([]bool, len(ops)-from)
	first := from // of those no sync has been tried for
	for i := from; i < len(ops); i++ {
		if ops[i].Kind != OpSync {
			continue
		}
		for j := first; j < i; j++ {
			durable[j-from] = ops[i].Err == nil
		}
		first = i
	}
	return durable
}

// changes says whether the operation changes the file, and so can be lost.
func (op Op) changes() bool { return op.Kind != OpSync && op.Kind != OpDrop }

// apply does the whole operation to m.
func (op Op) apply(m *Mem) error {
	switch op.Kind {
	case OpWrite:
		_, err := m.WriteAt(op.Data, op.Off)
		return err
	case OpTruncate:
		return m.Truncate(op.Off)
	case OpPunch:
		return m.PunchHole(op.Off, op.Len)
	}
	return nil
}

// applyPart does what survives of it.
func (op Op) applyPart(m *Mem, survives func(sector int) bool) {
	if op.Kind != OpWrite {
		if survives(0) {
			op.apply(m)
		}
		return
	}
	data, off := op.Data, op.Off
	for sector := 0; len(data) > 0; sector++ {
		n := min(storage.SectorBytes-off%storage.SectorBytes, int64(len(data)))
		if survives(sector) {
			m.WriteAt(data[:n], off)
		}
		data, off = data[n:], off+n
	}
}
