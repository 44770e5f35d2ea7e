// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/sirupsen/logrus"
)

// Variable is the environment variable in which zqublkd@.service says its name.
const Variable = "ZQUBLKD_UNIT"

// Restarts reports whether systemd ends this daemon only to start it again:
// whether the job of its unit is a restart. In doubt it is a stop.
func Restarts() bool {
	unit := os.Getenv(Variable)
	if unit == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "list-jobs", "--full", "--no-legend", "--no-pager").Output()
	if err != nil {
		logrus.WithError(err).Warn("systemd was asked whether this is a restart")
	}
	return hasRestart(string(out), unit)
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

// hasRestart looks for the restart of a unit in the table of systemctl
// list-jobs: number, unit, type, state.
func hasRestart(jobs, unit string) bool {
	for line := range strings.Lines(jobs) {
		f := strings.Fields(line)
		if len(f) >= 3 && f[1] == unit && (f[2] == "restart" || f[2] == "try-restart") {
			return true
		}
	}
	return false
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
