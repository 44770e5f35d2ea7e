// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"zqublkd/internal/background"
	"zqublkd/internal/server"
)

func newAdd() *cobra.Command {
	var o serveOptions
	var deaths uint
	var noSystemd bool
	var snap snapshot
	c := &cobra.Command{
		Use:   "add IMAGE",
		Short: "Serve an image in the background; prints the device node when it can be used",
		Args:  exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := errors.Join(o.check(), snap.check(&o)); err != nil {
				return err
			}
			image, err := args[0], error(nil)
			if snap.on {
				if image, err = snap.make(args[0], o.RunDir); err != nil {
					return err
				}
				o.SnapshotOf = snap.of
			}
			daemon := append([]string{"serve"}, o.args(image)...)
			if o.Recovery == server.RecoveryReissue {
				daemon = superviseArgs(deaths, o.args(image))
			}
			r, err := background.Spawn(daemon, !noSystemd, true)
			if err != nil {
				if snap.on {
					os.Remove(image)
				}
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), r.Node)
			return nil
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&snap.on, "snapshot", false, "write to a throw-away overlay and leave IMAGE as it is: any number of devices at once, and del forgets what was written")
	c.Flags().StringVar(&snap.dir, "snapshot-dir", defaultSnapshotDir, "where the overlay is")
	addRecoveryLimit(c, &deaths)
	c.Flags().BoolVar(&noSystemd, "no-systemd", false, "leave the daemon in the cgroup of the caller, with which it may end, also where systemd runs")
	return c
}
