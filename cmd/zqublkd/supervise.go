// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"zqublkd/internal/background"
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
