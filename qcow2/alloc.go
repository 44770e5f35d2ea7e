// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"

	"zqublkd/qcow2/format"
)

// run is a range of clusters of the file.
type run struct{ first, n uint64 }

func (x run) end() uint64 { return x.first + x.n }

// Searches for a single cluster or a few take any hole; searches for long runs
// leave small holes to them, so that zones don't end up in crumbs.
const (
	classSmall = iota
	classLong
)

const (
	longRunBytes   = 1 << 20 // a run of this size is worth a hole
	maxFileBytes   = 1 << 56 // what an L2 entry can point to
	searchClusters = 1 << 20 // refcounts looked at in one search for a hole
)

func (r *refcounts) longRun() uint64 {
	return max(uint64(longRunBytes)>>r.geo.ClusterBits, 1)
}

// take gives out a run of free clusters: refcount 1, contents zeros. It is at
// most want clusters long and may be shorter. hint is the cluster it should best
// start at, 0 for none. Nothing of it is durable yet.
func (r *refcounts) take(want, hint uint64) (run, error) {
	x, err := r.find(want, hint)
	if err == nil {
		err = r.occupy(x)
	}
	if err == nil || r.image.Failed() != nil {
		return x, err
	}
	// The file can't grow, perhaps: crumbs are better than nothing.
	for r.cursor[classSmall] < r.tail {
		crumb, crumbErr := r.hole(classSmall, want)
		if crumbErr != nil {
			break
		}
		if crumb.n > 0 {
			return crumb, r.occupy(crumb)
		}
	}
	return run{}, err
}

// occupy makes a free run ours. If it fails, nothing but a leak is left behind, and
// the image stays marked dirty for it.
func (r *refcounts) occupy(x run) error {
	off, n := x.first<<r.geo.ClusterBits, x.n<<r.geo.ClusterBits
	if err := r.image.regions.check(format.KindData, off, n); err != nil {
		return r.image.corrupted(fmt.Errorf("refcount 0 for metadata: %w", err))
	}
	if err := r.image.file.fresh(off, n); err != nil {
		return err
	}
	err := r.acquire(x)
	r.image.leaky = r.image.leaky || err != nil // some of its refcounts may be 1 now
	return err
}

// find looks for a free run: where the hint is, in a hole, at the tail.
func (r *refcounts) find(want, hint uint64) (run, error) {
	if hint == r.tail {
		return r.atTail(want)
	}
	if hint != 0 && hint < r.tail {
		if x, err := r.freeAt(hint, want); err != nil || x.n >= min(want, r.longRun()) {
			return x, err
		}
	}
	class := classSmall
	if want >= r.longRun() {
		class = classLong
	}
	if x, err := r.hole(class, want); err != nil || x.n > 0 {
		return x, err
	}
	return r.atTail(want)
}

// freeAt is the free run at a cluster, up to want clusters long.
func (r *refcounts) freeAt(first, want uint64) (run, error) {
	x := run{first: first}
	for x.n < want && x.end() < r.tail && r.exists(x.end()>>r.geo.RefBlockBits) {
		n, err := r.get(x.end())
		if err != nil || n != 0 {
			return x, err
		}
		x.n++
	}
	return x, nil
}

// hole finds the next free run below the tail that suits the class. Each search
// goes on where the last one ended, so all of them together pass over every
// refcount once; none takes long.
func (r *refcounts) hole(class int, want uint64) (run, error) {
	end := min(r.tail, r.cursor[class]+searchClusters)
	least := uint64(1)
	if class == classLong {
		least = r.longRun()
	}
	for at := r.cursor[class]; at < end; {
		x, err := r.nextFree(at, end)
		if err != nil {
			return run{}, err
		}
		if x, err = r.freeAt(x.first, want); err != nil {
			return run{}, err
		}
		if x.n >= least {
			r.cursor[class] = x.first
			return x, nil
		}
		at = x.end() + 1
		r.cursor[class] = min(at, r.tail)
	}
	return run{}, nil
}

// nextFree is the first free cluster in [at,end), or end. Ranges without a
// refcount block are passed over: making one is for the tail.
func (r *refcounts) nextFree(at, end uint64) (run, error) {
	for at < end {
		b, index := r.split(at)
		if !r.exists(b) {
			at += r.perBlock() - index
			continue
		}
		block, err := r.load(b)
		if err != nil {
			return run{}, err
		}
		for ; index < r.perBlock(); index++ {
			if block.Get(index) == 0 {
				return run{first: min(b<<r.geo.RefBlockBits+index, end)}, nil
			}
		}
		at = (b + 1) << r.geo.RefBlockBits
	}
	return run{first: end}, nil
}

// atTail is a run at the end of all that is in use, as long as refcount blocks
// exist to count it; where the first is missing some are made.
func (r *refcounts) atTail(want uint64) (run, error) {
	if err := r.coverTail(); err != nil {
		return run{}, err
	}
	x := run{first: r.tail}
	for x.n < want && r.exists(x.end()>>r.geo.RefBlockBits) {
		_, index := r.split(x.end())
		x.n = min(want, x.n+r.perBlock()-index)
	}
	if x.end() > maxFileBytes>>r.geo.ClusterBits {
		return run{}, errors.New("the image file would pass 64 PiB, the end of the format")
	}
	return x, nil
}
