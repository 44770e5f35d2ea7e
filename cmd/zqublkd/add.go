package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newAdd() *cobra.Command {
	var o serveOptions
	var deaths uint
	var noSystemd bool
	c := &cobra.Command{
		Use:   "add IMAGE",
		Short: "Serve an image in the background; prints the device node when it can be used",
		Args:  exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			daemon := append([]string{"serve"}, o.args(args[0])...)
			if o.recovery == string(server.RecoveryReissue) {
				daemon = superviseArgs(deaths, o.args(args[0]))
			}
			r, err := spawn(daemon, !noSystemd, true)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), r.Node)
			return nil
		},
	}
	o.addFlags(c)
	addLimit(c, &deaths)
	c.Flags().BoolVar(&noSystemd, "no-systemd", false, "leave the daemon in the cgroup of the caller, with which it may end, also where systemd runs")
	return c
}

// addLimit adds the flag of the verbs that leave a supervisor behind.
func addLimit(c *cobra.Command, deaths *uint) {
	c.Flags().UintVar(deaths, "recovery-limit", defaultDeaths,
		"deaths of the daemon within a minute after which the device is stopped, so that its users get errors; 0: never")
}
