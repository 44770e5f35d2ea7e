// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"errors"
	"testing"

	"zqublkd/qcow2/qcow2test"
)

// TestStopped: each change says how far it is, and one that is told to stop at any of these
// moments leaves the old disk, sound and without leaks; then it can be done.
func TestStopped(t *testing.T) {
	stop := errors.New("stop")
	for shape, o := range shapes() {
		for name, k := range kinds() {
			t.Run(shape+", "+name, func(t *testing.T) {
				t.Parallel()
				m := ready(t, o, k)
				before, calls, last := disk(t, m), 0, uint64(0)
				clone := m.Clone()
				err := k.do(clone, func(done, all uint64) error {
					if done > all || done < last {
						t.Errorf("%d of %d after %d", done, all, last)
					}
					last = done
					calls++
					return nil
				})
				if err != nil || calls < 2 {
					t.Fatalf("%d calls, %v", calls, err)
				}
				after := disk(t, clone)
				for n := 1; n <= calls; n += 1 + calls/20 {
					m, left := m.Clone(), n
					err := k.do(m, func(uint64, uint64) error {
						if left--; left == 0 {
							return stop
						}
						return nil
					})
					if !errors.Is(err, stop) {
						t.Fatalf("stopped at %d of %d: %v", n, calls, err)
					}
					qcow2test.MustBeSound(t, m, true)
					if disk(t, m) != before {
						t.Fatalf("stopped at %d of %d: another disk", n, calls)
					}
					if err := k.do(m, nil); err != nil || disk(t, m) != after {
						t.Fatalf("stopped at %d of %d, and done again: %v", n, calls, err)
					}
				}
			})
		}
	}
}
