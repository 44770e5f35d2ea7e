// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"time"
)

// rate is a number per second.
func rate(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 10:
		return fmt.Sprintf("%.2f", n)
	case n < 1000:
		return fmt.Sprintf("%.1f", n)
	case n < 1e6:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.1fM", n/1e6)
}

// micros is a time of us microseconds.
func micros(us float64) string {
	switch {
	case us == 0:
		return "-"
	case us < 1000:
		return fmt.Sprintf("%.0f us", us)
	case us < 1e6:
		return fmt.Sprintf("%.1f ms", us/1e3)
	}
	return fmt.Sprintf("%.1f s", us/1e6)
}

// size is bytes, roughly.
func size(n uint64) string {
	units := "BKMGTPE"
	f, k := float64(n), 0
	for f >= 1024 && k < len(units)-1 {
		f, k = f/1024, k+1
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%d%c", int64(f), units[k])
	}
	return fmt.Sprintf("%.1f%c", f, units[k])
}

// span is a time, roughly.
func span(t time.Duration) string {
	t = max(t, 0)
	switch {
	case t < time.Minute:
		return fmt.Sprintf("%.1f s", t.Seconds())
	case t < time.Hour:
		return fmt.Sprintf("%dm%ds", int(t.Minutes()), int(t.Seconds())%60)
	case t < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(t.Hours()), int(t.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(t.Hours())/24)
}
