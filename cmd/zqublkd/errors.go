// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"zqublkd/internal/output"
	"zqublkd/internal/printable"
	"zqublkd/internal/server"
)

func newErrors() *cobra.Command {
	var asJSON bool
	var runDir string
	c := &cobra.Command{
		Use:   "errors DEVICE",
		Short: "Show the requests that a device refused last, with the reason of each",
		Long:  "Show the requests that a device refused last, with the reason of each.\n\n" + deviceHelp,
		Args:  exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := resolve(runDir, args[0])
			if err != nil {
				return err
			}
			list, err := server.AskErrors(runDir, id)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(c.OutOrStdout(), list)
			}
			for _, e := range list {
				fmt.Fprintf(c.OutOrStdout(), "%s  %s\n", e.Time.Format(time.RFC3339Nano), printable.Text(e.Text))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addRunDir(c, &runDir)
	return c
}
