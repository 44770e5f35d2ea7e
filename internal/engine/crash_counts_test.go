// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"

	"zqublkd/qcow2"
	"zqublkd/zoned"
)

// counted makes an image keep counters of its zones.
func counted(z *qcow2.ZoneOptions) { z.Counters = true }

// judgeCounts holds the counters of a zone against what was done to it: all that is
// durable must be in them, and nothing may that has not been asked for.
func (v view) judgeCounts(zone uint32, got zoned.Counts) error {
	var least, most zoned.Counts
	for k, l := range v.lives[zone] {
		for _, w := range l.writes {
			if v.durable(w) {
				least.Bytes += w.n
			}
			if v.possible(w) {
				most.Bytes += w.n
			}
		}
		if l.reset != nil && v.possible(l.reset) {
			most.Resets++
		}
		if l.reset != nil && l.reset.ended.op <= v.n && v.lives[zone][k-1].filled(l.reset) {
			least.Resets++
		}
		if l.finish != nil && v.possible(l.finish) {
			most.Finishes++
		}
		if l.finish != nil && l.finish.ended.op <= v.n && l.finished < v.geo.WritableEnd(zone) {
			least.Finishes++
		}
	}
	for name, c := range map[string][3]uint64{"bytes": {least.Bytes, got.Bytes, most.Bytes},
		"resets": {least.Resets, got.Resets, most.Resets}, "finishes": {least.Finishes, got.Finishes, most.Finishes}} {
		if c[1] < c[0] || c[1] > c[2] {
			return fmt.Errorf("%s counted: %d, from %d to %d are possible", name, c[1], c[0], c[2])
		}
	}
	if got.Appends > 0 && got.Bytes == 0 {
		return fmt.Errorf("appends counted: %d of no bytes", got.Appends)
	}
	return nil
}

// filled reports whether the zone was certainly not empty when its reset came.
func (l *life) filled(reset *deed) bool {
	if l.finish != nil && l.finish.ended.clock < reset.begun.clock {
		return true
	}
	for _, w := range l.writes {
		if w.ended.clock < reset.begun.clock {
			return true
		}
	}
	return false
}
