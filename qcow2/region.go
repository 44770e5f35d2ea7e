// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"
	"sync"

	"zqublkd/qcow2/format"
)

// regionMap knows every metadata cluster in use, by cluster number. Its size
// follows the number of such clusters, so the bytes of the file bound it.
type regionMap struct {
	mu          sync.RWMutex
	clusterBits uint
	kinds       map[uint64]format.ClusterKind
}

func newRegionMap(clusterBits uint) *regionMap {
	return &regionMap{clusterBits: clusterBits, kinds: make(map[uint64]format.ClusterKind)}
}

func (r *regionMap) span(off, n uint64) (first, last uint64) {
	return off >> r.clusterBits, (off + n - 1) >> r.clusterBits
}

// add enters the clusters of [off,off+n); an error says what is there already.
func (r *regionMap) add(kind format.ClusterKind, off, n uint64) error {
	if n == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	first, last := r.span(off, n)
	for c := first; c <= last; c++ {
		if old := r.kind(c); old != format.KindData {
			return format.Corrupt(kind.String(), c<<r.clusterBits, "overlaps the %v", old)
		}
		r.kinds[c] = kind
	}
	return nil
}

// share enters clusters as add does, but lets those be that are of the kind
// already: snapshots have tables in common.
func (r *regionMap) share(kind format.ClusterKind, off, n uint64) error {
	first, last := r.span(off, n)
	for c := first; n > 0 && c <= last; c++ {
		if r.at(c<<r.clusterBits) == kind {
			continue
		}
		if err := r.add(kind, c<<r.clusterBits, 1); err != nil {
			return err
		}
	}
	return nil
}

// remove gives the clusters of [off,off+n) up.
func (r *regionMap) remove(off, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, last := r.span(off, n)
	for c := first; c <= last; c++ {
		delete(r.kinds, c)
	}
}

// check reports whether all of [off,off+n) is of one kind: the last barrier
// before a write.
func (r *regionMap) check(kind format.ClusterKind, off, n uint64) error {
	if n == 0 {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	first, last := r.span(off, n)
	for c := first; c <= last; c++ {
		if found := r.kind(c); found != kind {
			return fmt.Errorf("write of %v refused: %w", kind,
				format.Corrupt("cluster", c<<r.clusterBits, "holds %v", found))
		}
	}
	return nil
}

// at is what the cluster at byte offset off holds.
func (r *regionMap) at(off uint64) format.ClusterKind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.kind(off >> r.clusterBits)
}

// kind is what a cluster holds: data, unless it is known to be metadata. The caller holds mu.
func (r *regionMap) kind(cluster uint64) format.ClusterKind {
	if k, ok := r.kinds[cluster]; ok {
		return k
	}
	return format.KindData
}
