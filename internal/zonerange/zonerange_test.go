// SPDX-License-Identifier: Apache-2.0

package zonerange

import (
	"slices"
	"testing"
)

func TestInOrder(t *testing.T) {
	ranges, err := Parse([]string{"7-9", "3", "8-12", "3", "0"})
	if got := slices.Collect(InOrder(ranges)); err != nil || !slices.Equal(got, []uint32{0, 3, 7, 8, 9, 10, 11, 12}) {
		t.Errorf("%v, %v", got, err)
	}
}
