// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"context"
	"fmt"
	"slices"
	"time"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/unit"
	systemdutil "github.com/coreos/go-systemd/v22/util"
	"github.com/godbus/dbus/v5"
	"github.com/sirupsen/logrus"

	"zqublkd/internal/devname"
	"zqublkd/internal/server"
)

// systemdTimeout bounds what systemd is asked for.
const systemdTimeout = 20 * time.Second

// LeaveCaller moves the processes of a device out of the cgroup that they were
// started in, which may be a service or a cron job that ends, into a unit of
// their own: a scope, ordered before the mounts of the device as zqublkd@.service
// is. Without systemd, and where it refuses, they stay.
func LeaveCaller(r server.Record, supervisor int) {
	if !systemdutil.IsRunningSystemd() {
		return
	}
	if err := enterScope(scopeName(r.ID), scopeProperties(r, supervisor)); err != nil {
		logrus.WithError(err).Warnf("%s stays in the unit of whoever has called, and ends with it", r.Node)
	}
}

func scopeName(id uint32) string { return fmt.Sprintf("zqublkd-ublkb%d.scope", id) }

// enterScope starts the scope and waits for systemd to have done so.
func enterScope(name string, properties []systemdbus.Property) error {
	ctx, cancel := context.WithTimeout(context.Background(), systemdTimeout)
	defer cancel()
	conn, err := systemdbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer conn.Close()
	done := make(chan string, 1)
	if _, err := conn.StartTransientUnitContext(ctx, name, "replace", properties, done); err != nil {
		return fmt.Errorf("systemd: %s: %w", name, err)
	}
	select {
	case how := <-done:
		if how != "done" {
			return fmt.Errorf("systemd: %s: the job's result is %q", name, how)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("systemd: %s: no answer within %v", name, systemdTimeout)
	}
}

// scopeProperties are those of the unit zqublkd@.service that a scope can have.
func scopeProperties(r server.Record, supervisor int) []systemdbus.Property {
	pids := []uint32{uint32(r.PID)}
	if supervisor != r.PID {
		pids = append(pids, uint32(supervisor))
	}
	var targets []string
	for _, node := range []string{r.Node, devname.ByName(r.Name, 0), devname.ByID(r.Name, 0)} {
		targets = append(targets, "blockdev@"+unit.UnitNamePathEscape(node)+".target")
	}
	stop := server.DefaultStopWait + 30*time.Second
	return []systemdbus.Property{
		systemdbus.PropDescription(fmt.Sprintf("Block device %s from %s", r.Node, r.Image)),
		systemdbus.PropPids(pids...),
		systemdbus.PropSlice("system.slice"),
		{Name: "DefaultDependencies", Value: dbus.MakeVariant(false)},
		systemdbus.PropConflicts("shutdown.target"),
		systemdbus.PropWants(targets...),
		systemdbus.PropBefore(slices.Concat([]string{"shutdown.target"}, targets)...),
		systemdbus.PropAfter("systemd-remount-fs.service"),
		{Name: "RequiresMountsFor", Value: dbus.MakeVariant([]string{r.Image})},
		{Name: "TimeoutStopUSec", Value: dbus.MakeVariant(uint64(stop.Microseconds()))},
		{Name: "CollectMode", Value: dbus.MakeVariant("inactive-or-failed")},
	}
}
