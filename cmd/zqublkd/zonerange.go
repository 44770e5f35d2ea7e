// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// zoneRange are zones with both ends.
type zoneRange struct{ first, last uint32 }

// parseZones reads zones as 3, or 7-9 with both ends.
func parseZones(texts []string) ([]zoneRange, error) {
	var list []zoneRange
	for _, text := range texts {
		from, to, isRange := strings.Cut(text, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 31)
		last, err2 := strconv.ParseUint(to, 10, 31)
		if err1 != nil || err2 != nil || last < first {
			return nil, fmt.Errorf("--zone %q: give the number of a zone, or the first and the last one as 7-9", text)
		}
		list = append(list, zoneRange{uint32(first), uint32(last)})
	}
	return list, nil
}

// inOrder are the zones of ranges in order, each once.
func inOrder(ranges []zoneRange) iter.Seq[uint32] {
	ranges = slices.SortedFunc(slices.Values(ranges), func(a, b zoneRange) int { return cmp.Compare(a.first, b.first) })
	return func(yield func(uint32) bool) {
		next := uint32(0)
		for _, r := range ranges {
			for i := max(r.first, next); i <= r.last; i++ {
				if !yield(i) {
					return
				}
				next = i + 1
			}
		}
	}
}
