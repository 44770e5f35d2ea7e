// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"math"
	"time"
)

// timestamp is the processor's time-stamp counter, which an emulated processor shows as its own.
func timestamp() uint64

// tscKHz is how fast the counter runs, in ticks a millisecond. The guest is told: left to find it
// out by a timer that is emulated, on a busy host it has counted a second for less than a tenth
// of one, and called tasks hung that had waited for two. 0: it does not run evenly.
func tscKHz() int {
	const apart = 50 * time.Millisecond
	first, began := moment()
	time.Sleep(apart)
	second, ended := moment()
	if second <= first {
		return 0
	}
	return int(math.Round(float64(second-first) / float64(ended.Sub(began).Nanoseconds()) * 1e6))
}

// moment is the counter and the time, read as closely together as several attempts have it.
func moment() (ticks uint64, now time.Time) {
	least := time.Duration(math.MaxInt64)
	for range 100 {
		before := time.Now()
		t := timestamp()
		if took := time.Since(before); took < least {
			least, ticks, now = took, t, before.Add(took/2)
		}
	}
	return ticks, now
}
