// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newUpgrade() *cobra.Command {
	var runDir string
	var deaths uint
	c := &cobra.Command{
		Use:   "upgrade {DEVICE... | all}",
		Short: "Hand devices in use over to the program that is installed now",
		Long: `The daemon of the device answers what it has begun and ends; a new one, of the
program that is now where the old one was started from, goes on. The device's
users notice a short wait. Only a device with --recovery=reissue can be handed over.

` + deviceHelp,
		Args: someDevices,
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := chosen(runDir, args)
			if err != nil {
				return err
			}
			return sayEach(c, eachDevice(ids, func(id uint32) error { return upgradeOne(c, runDir, id, deaths) }))
		},
	}
	addRunDir(c, &runDir)
	addLimit(c, &deaths)
	return c
}

func upgradeOne(c *cobra.Command, runDir string, id uint32, deaths uint) error {
	old, err := server.HandOver(runDir, id)
	if err != nil {
		return err
	}
	if !old.BroughtBack() {
		return takeOver(c, old, deaths)
	}
	now, err := server.WaitForNext(old)
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "%s: process %d went on as %d\n", now.Node, old.PID, now.PID)
	}
	return err
}
