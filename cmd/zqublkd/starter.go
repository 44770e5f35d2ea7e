// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

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
