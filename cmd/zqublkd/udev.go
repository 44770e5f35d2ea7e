// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/spf13/cobra"

	"zqublkd/internal/devname"
	"zqublkd/internal/server"
)

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
