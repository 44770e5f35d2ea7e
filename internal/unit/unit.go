// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/sirupsen/logrus"
)

// Variable is the environment variable in which zqublkd@.service says its name.
const Variable = "ZQUBLKD_UNIT"

// patience is how long systemd may take to say whether it restarts a unit. It is one
// thread for the whole machine, and a wrong answer costs the device: less than the
// TimeoutStopSec of the unit, and no less than it has taken on a machine under load.
const patience = 20 * time.Second

// Restarts reports whether systemd ends this daemon only to start it again:
// whether the job of its unit is a restart. In doubt it is a stop.
func Restarts() bool {
	unit := os.Getenv(Variable)
	if unit == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return restarts(ctx, unit, listJobs)
}

// restarts asks for the jobs until there is an answer.
func restarts(ctx context.Context, unit string, list func(context.Context) ([]systemdbus.JobStatus, error)) bool {
	for {
		jobs, err := list(ctx)
		if err == nil {
			return hasRestart(jobs, unit)
		}
		logrus.WithError(err).Warn("systemd was asked whether this is a restart")
		select {
		case <-ctx.Done():
			return false
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func listJobs(ctx context.Context) ([]systemdbus.JobStatus, error) {
	conn, err := systemdbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ListJobsContext(ctx)
}

// ForgetStarts makes systemd forget how often it has started this daemon's unit: its limit
// is for daemons that die.
func ForgetStarts() {
	unit := os.Getenv(Variable)
	if unit == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := systemdbus.NewSystemdConnectionContext(ctx)
	if err == nil {
		defer conn.Close()
		err = conn.ResetFailedUnitContext(ctx, unit)
	}
	if err != nil {
		logrus.WithError(err).Warnf("the starts of %s count as deaths", unit)
	}
}

// hasRestart looks for the restart of a unit among systemd's jobs.
func hasRestart(jobs []systemdbus.JobStatus, unit string) bool {
	return slices.ContainsFunc(jobs, func(j systemdbus.JobStatus) bool {
		return j.Unit == unit && (j.JobType == "restart" || j.JobType == "try-restart")
	})
}

// WithoutUnit returns environ without what systemd tells a service about itself: a daemon that
// a service adds does not speak for that service.
func WithoutUnit(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_PID", "WATCHDOG_USEC",
			"INVOCATION_ID",
			"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "MAINPID", Variable}, name)
	})
}
