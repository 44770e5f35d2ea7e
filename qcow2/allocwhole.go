// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// takeWhole is take for a table: n clusters in one run, and no fewer.
func (r *refcounts) takeWhole(n uint64) (run, error) {
	x, err := r.take(n, 0)
	if err != nil || x.n == n {
		return x, err
	}
	if err := r.drop(x); err != nil {
		r.image.leaky = true
		return run{}, err
	}
	return r.takeTail(n)
}

// takeTail takes n clusters behind all that is in use. Where refcount blocks are
// missing new ones come first, which then count the run behind them, too.
func (r *refcounts) takeTail(n uint64) (run, error) {
	const tries = 4 // the refcount table may have to grow, and then be filled
	for range tries {
		x, err := r.atTail(n)
		if err != nil {
			return run{}, err
		}
		if x.n == n {
			return x, r.occupy(x)
		}
		r.tail = x.end() // the rest of what the blocks count stays free
	}
	return run{}, fmt.Errorf("no %d clusters in a row can be counted at once: %w", n,
		&format.UnsupportedError{Feature: "so large a zone table in clusters of this size", WayOut: "copy the disk to an image with larger clusters"})
}
