// SPDX-License-Identifier: Apache-2.0

package engine

import "time"

// patiently repeats f while it fails with busy, for a minute at most.
func patiently(f func() error, busy func(error) bool) error {
	end := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil || !busy(err) || time.Now().After(end) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
