// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

// interruptible makes SIGINT and SIGTERM end a verb at once: what it has begun is
// removed, and the exit code is that of an interrupt. outcome says what there is
// then.
func interruptible(c *cobra.Command, outcome string) {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
		defer signal.Stop(signals)
		go func() {
			<-signals
			storage.AbandonDrafts()
			fmt.Fprintf(os.Stderr, "\nzqublkd: interrupted: %s\n", outcome)
			os.Exit(exitInterrupted)
		}()
		return run(c, args)
	}
}
