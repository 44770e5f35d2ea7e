// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newDel() *cobra.Command {
	var force, all, dead bool
	var runDir string
	c := &cobra.Command{
		Use:   "del {DEVICE... | all}",
		Short: "Stop devices: everything written is made durable, the nodes go",
		Long: `Stop devices: everything written is made durable, the nodes go. Several are
stopped at once; all are named before any is stopped.

` + deviceHelp,
		Example: "  zqublkd del /dev/ublkb0\n  zqublkd del disk.qcow2 my-disk 3\n  zqublkd del all",
		Args: func(c *cobra.Command, args []string) error {
			if all && len(args) == 0 {
				return nil
			}
			if all {
				return usageError{fmt.Errorf("%s: --all and devices are given: name the devices, or give --all alone", c.Name())}
			}
			return someDevices(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if all {
				args = []string{allDevices}
			}
			return forEach(c, runDir, args, func(id uint32) error {
				err := deleteOne(c, runDir, id, force, dead)
				if isAll(args) && errors.Is(err, server.ErrNotOurs) { // it went by itself meanwhile
					return nil
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "stop them even while they are in use")
	c.Flags().BoolVar(&dead, "dead", false, "only if the daemon is dead; mounted or not")
	c.Flags().BoolVarP(&all, "all", "a", false, "stop all devices")
	addRunDir(c, &runDir)
	return c
}

// deleteOne stops one device; one whose node somebody still has open has
// stopped all the same.
func deleteOne(c *cobra.Command, runDir string, id uint32, force, dead bool) error {
	var err error
	switch {
	case dead:
		err = server.Abandon(runDir, id)
	case force:
		err = deleteShared(runDir, id)
	default:
		err = server.Delete(runDir, id, false)
	}
	if errors.Is(err, server.ErrLinger) {
		fmt.Fprintln(c.ErrOrStderr(), "zqublkd: note:", err)
		return nil
	}
	return err
}
