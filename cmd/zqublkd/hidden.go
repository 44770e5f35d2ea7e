// SPDX-License-Identifier: Apache-2.0

package main

// The verbs that other programs call: add and the daemon, systemd, udev.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zqublkd/internal/background"
	"zqublkd/internal/devname"
	"zqublkd/internal/server"
)

// superviseVerb is the hidden verb of the process that add leaves behind: it
// starts the daemon, and starts it again when it dies.
const superviseVerb = "supervise"

// superviseArgs are its arguments: how many deaths are too many, and those of
// the daemon.
func superviseArgs(limit uint, serve []string) []string {
	return append([]string{superviseVerb, strconv.FormatUint(uint64(limit), 10)}, serve...)
}

// bySupervisor reports whether these are the arguments of a supervisor.
func bySupervisor(args []string) bool { return len(args) > 1 && args[1] == superviseVerb }

func newSupervise() *cobra.Command {
	return &cobra.Command{
		Use:                superviseVerb + " LIMIT IMAGE",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return between(2, "LIMIT", "IMAGE")(c, args)
			}
			limit, err := strconv.Atoi(args[0])
			if err != nil {
				return usageError{fmt.Errorf("%q is no number of deaths", args[0])}
			}
			if err := background.Harden(); err != nil {
				return err
			}
			return background.Supervise(limit, append([]string{"serve"}, args[1:]...))
		},
	}
}

// newStarter is the helper process that a daemon runs to start its device.
func newStarter() *cobra.Command {
	return &cobra.Command{
		Use:    server.StarterVerb + " ID PID",
		Hidden: true,
		Args:   exactly("ID", "PID"),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 32)
			if err != nil {
				return usageError{fmt.Errorf("%q is no number of a device", args[0])}
			}
			pid, err := strconv.Atoi(args[1])
			if err != nil {
				return usageError{fmt.Errorf("%q is no process", args[1])}
			}
			began := time.Now()
			err = server.StartFor(uint32(id), pid)
			fmt.Println(time.Since(began))
			return err
		},
	}
}

// newGiveUp is the hidden verb of zqublkd-failed@.service: systemd does not bring
// the daemon of a device back any more.
func newGiveUp() *cobra.Command {
	var runDir string
	c := &cobra.Command{
		Use:    "give-up DEVICE",
		Hidden: true,
		Args:   exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := resolve(runDir, args[0])
			if err != nil {
				return err
			}
			users, err := server.GiveUp(runDir, id, unitFailure())
			if len(users) > 0 && err == nil {
				fmt.Fprintf(c.ErrOrStderr(), "zqublkd: device %d is in use (%s) and waits: `systemctl start` of its unit or `zqublkd recover %d` brings it back, `zqublkd del --dead %d` stops it\n",
					id, strings.Join(users, ", "), id, id)
			}
			return err
		},
	}
	addRunDir(c, &runDir)
	return c
}

// unitFailure is what systemd says of the unit that has failed (systemd.exec(5)).
func unitFailure() string {
	why := "systemd's unit of its daemon has failed"
	if result := os.Getenv("MONITOR_SERVICE_RESULT"); result != "" {
		why += ": " + result
	}
	return why
}

// newUdev is what our udev rules ask about a device: its name, spelled for a
// link, and what lsblk shows of it, as properties (IMPORT{program} of udev(7)).
func newUdev() *cobra.Command {
	var runDir string
	c := &cobra.Command{
		Use:    "udev ID",
		Hidden: true,
		Args:   exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 32)
			if err != nil {
				return usageError{fmt.Errorf("%q is no number of a device", args[0])}
			}
			name, err := server.NameOf(runDir, uint32(id))
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, server.ErrNotOurs) {
				return nil // another server's, of which there is nothing to say
			}
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "ZQUBLKD_NAME=%[1]s\nID_SERIAL=%[1]s\nID_SERIAL_SHORT=%[1]s\nID_MODEL=zqublkd\n", devname.Link(name))
			}
			return err
		},
	}
	addRunDir(c, &runDir)
	return c
}
