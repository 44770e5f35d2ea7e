// SPDX-License-Identifier: Apache-2.0

// Package zonerange reads zones as a user names them: 3, or 7-9.
package zonerange

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Range is the zones from First to Last.
type Range struct{ First, Last uint32 }

// Parse reads zones as 3, or 7-9 with both ends.
func Parse(texts []string) ([]Range, error) {
	var list []Range
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
		list = append(list, Range{uint32(first), uint32(last)})
	}
	return list, nil
}

// InOrder returns the zones of ranges in order, each once.
func InOrder(ranges []Range) iter.Seq[uint32] {
	ranges = slices.SortedFunc(slices.Values(ranges), func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return func(yield func(uint32) bool) {
		next := uint32(0)
		for _, r := range ranges {
			for i := max(r.First, next); i <= r.Last; i++ {
				if !yield(i) {
					return
				}
				next = i + 1
			}
		}
	}
}
