// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"context"
	"errors"
	"testing"
	"time"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
)

// A daemon that takes a restart for a stop takes the device from its users.
func TestRestarts(t *testing.T) {
	const unit = `zqublkd@srv-a\x20b.qcow2.service`
	job := func(unit, kind string) systemdbus.JobStatus {
		return systemdbus.JobStatus{Unit: unit, JobType: kind, Status: "running"}
	}
	other := job("other.service", "restart")
	for _, c := range []struct {
		name  string
		jobs  []systemdbus.JobStatus
		fails int // how often systemd gives no answer first
		want  bool
	}{
		{"restart", []systemdbus.JobStatus{job(unit, "restart")}, 0, true},
		{"among others", []systemdbus.JobStatus{other, job(unit, "restart")}, 0, true},
		{"try-restart", []systemdbus.JobStatus{job(unit, "try-restart")}, 0, true},
		{"stop", []systemdbus.JobStatus{job(unit, "stop")}, 0, false},
		{"another unit's", []systemdbus.JobStatus{other}, 0, false},
		{"none", nil, 0, false},
		{"systemd is busy", []systemdbus.JobStatus{job(unit, "restart")}, 2, true},
		{"systemd is gone", []systemdbus.JobStatus{job(unit, "restart")}, 1 << 30, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			left := c.fails
			got := restarts(ctx, unit, func(context.Context) ([]systemdbus.JobStatus, error) {
				if left--; left >= 0 {
					return nil, errors.New("no answer")
				}
				return c.jobs, nil
			})
			if got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
