// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

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
