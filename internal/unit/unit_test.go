// SPDX-License-Identifier: Apache-2.0

package unit

import "testing"

func TestHasRestart(t *testing.T) {
	const unit = `zqublkd@srv-a\x20b.qcow2.service`
	for _, c := range []struct {
		name, jobs string
		want       bool
	}{
		{"restart", "1234 " + unit + " restart running\n", true},
		{"among others", "7 other.service restart waiting\n 9 " + unit + "  restart  running\n", true},
		{"try-restart", "9 " + unit + " try-restart running", true},
		{"stop", "9 " + unit + " stop running\n", false},
		{"another unit's", "9 zqublkd@x.service restart running\n", false},
		{"none", "", false},
		{"not a table", "No jobs running.\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hasRestart(c.jobs, unit); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
