// SPDX-License-Identifier: Apache-2.0

package background

import (
	"testing"
	"time"
)

func TestTooOften(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		at    []int // seconds
		want  int   // index of the death that is too many, -1: none
	}{
		{"third in a minute", 3, []int{0, 20, 59}, 2},
		{"spread out", 3, []int{0, 30, 60, 90, 120}, -1},
		{"late burst", 3, []int{0, 100, 200, 201, 202}, 4},
		{"the first", 1, []int{5}, 0},
		{"no limit", 0, []int{0, 0, 0, 0, 0, 0}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := supervisor{limit: c.limit}, -1
			for i, sec := range c.at {
				if s.tooOften(time.Unix(int64(sec), 0)) {
					got = i
					break
				}
			}
			if got != c.want {
				t.Errorf("gave up at death %d, want %d", got, c.want)
			}
		})
	}
}
