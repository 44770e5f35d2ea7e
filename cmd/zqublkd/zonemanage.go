// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"iter"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/zonerange"
	"zqublkd/zoned"
)

// newZoneManage is zone reset or zone finish, as blkzone has them for devices.
func newZoneManage(op zoned.Operation) *cobra.Command {
	var zones []string
	var all bool
	var idle func(string) error
	c := &cobra.Command{
		Use:   "finish IMAGE --zone N[-M][,...]",
		Short: "Finish zones: they are full, and what was not written of them reads as zeros",
		Long: `Finish zones of an image that is not served: they are full, and what was not
written of them reads as zeros. Each is durably full when the next is begun; all are
judged before any is changed.`,
		Example: "  zqublkd zone finish disk.qcow2 --zone 0-2",
		Args:    exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			wanted, err := wantedZones(zones, all)
			if err != nil {
				return usageError{err}
			}
			if err := idle(args[0]); err != nil {
				return err
			}
			return engine.Manage{Image: args[0], Op: op, Zones: wanted, Log: logrus.StandardLogger()}.Run()
		},
	}
	c.Flags().StringSliceVar(&zones, "zone", nil, "numbers of zones, and ranges of them, from 0")
	if op == zoned.OpReset {
		c.Use = "reset IMAGE {--zone N[-M][,...] | --all}"
		c.Short = "Reset zones: they are empty, their data is gone"
		c.Long = `Reset zones of an image that is not served: they are empty, their data is gone and
its space in the file is free. Each is durably empty when the next is begun; all are
judged before any is changed. --all resets all but those that are read-only or offline.`
		c.Example = "  zqublkd zone reset disk.qcow2 --zone 3,7-9\n  zqublkd zone reset disk.qcow2 --all"
		c.Flags().BoolVar(&all, "all", false, "every sequential zone that is neither read-only nor offline")
	}
	idle = addIdle(c)
	return c
}

// wantedZones are the zones that flags name, nil for all.
func wantedZones(zones []string, all bool) (iter.Seq[uint32], error) {
	switch {
	case all && len(zones) > 0:
		return nil, errors.New("--all and --zone are given: name zones, or take all")
	case all:
		return nil, nil
	case len(zones) == 0:
		return nil, errors.New("--zone: name the zones to change, as 3,7-9")
	}
	ranges, err := zonerange.Parse(zones)
	return zonerange.InOrder(ranges), err
}
