// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/sirupsen/logrus"
)

// unitVariable is where the unit zqublkd@.service says its name.
const unitVariable = "ZQUBLKD_UNIT"

// unitRestarts says whether systemd ends this daemon only to start it again:
// whether the job of its unit is a restart. In doubt it is a stop.
func unitRestarts() bool {
	unit := os.Getenv(unitVariable)
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

// forgetStarts has systemd count no start of this daemon's unit so far: its limit
// is for daemons that die.
func forgetStarts() {
	unit := os.Getenv(unitVariable)
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
