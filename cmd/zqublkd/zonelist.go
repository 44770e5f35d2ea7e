// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/output"
	"zqublkd/internal/zonerange"
	"zqublkd/zoned"
)

func newZoneList() *cobra.Command {
	var zones []string
	var asJSON, share bool
	c := &cobra.Command{
		Use:   "list IMAGE [--zone N[-M][,...]]",
		Short: "List zones by number: type, condition, where they begin and how far they are written",
		Long: `List zones of an image by number: type, condition, where they begin and how far they
are written. Sizes are in the largest unit that is exact; report has blkzone's format.`,
		Example: "  zqublkd zone list disk.qcow2 --zone 0-3",
		Args:    exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			ranges, err := zonerange.Parse(zones)
			if err != nil {
				return usageError{err}
			}
			all, doubt, err := doubtfulZones(args[0], share)
			if err != nil {
				return err
			}
			n := all.Geometry().Zones()
			for _, r := range ranges {
				if r.Last >= n {
					return usageError{fmt.Errorf("%s: there is no zone %d: the image has zones 0 to %d", args[0], r.Last, n-1)}
				}
			}
			if len(ranges) == 0 {
				ranges = []zonerange.Range{{First: 0, Last: n - 1}}
			}
			print := printZoneList
			if asJSON {
				print = printZoneListJSON
			}
			if err := print(c.OutOrStdout(), all, zonerange.InOrder(ranges)); err != nil {
				return err
			}
			return doubt
		},
	}
	c.Flags().StringSliceVar(&zones, "zone", nil, "numbers of zones, and ranges of them, from 0 (default all)")
	c.Flags().BoolVarP(&asJSON, "json", "J", false, "print JSON, sizes in bytes")
	addShare(c, &share)
	return c
}

// printZoneList prints each zone as it is looked up: there may be a million.
func printZoneList(w io.Writer, zones *zoned.Device, which iter.Seq[uint32]) error {
	out := bufio.NewWriter(w)
	const format = "%-8s%-14s%-19s%-12s%-12s%s\n"
	fmt.Fprintf(out, format, "ZONE", "TYPE", "CONDITION", "START", "CAPACITY", "WRITTEN")
	for k := range which {
		z := zones.Info(k)
		kind, written := "sequential", "-"
		if z.Conventional {
			kind = "conventional"
		}
		switch z.Condition {
		case zoned.NotWP, zoned.Offline:
		case zoned.Full:
			written = bytesize.Format(z.Capacity)
		default:
			written = bytesize.Format(z.WP - z.Start)
		}
		_, err := fmt.Fprintf(out, format, strconv.FormatUint(uint64(k), 10), kind, z.Condition,
			bytesize.Format(z.Start), bytesize.Format(z.Capacity), written)
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// numberedZone is a zone as report has it, with its number.
type numberedZone struct {
	Zone uint32 `json:"zone"`
	zoneLine
}

func printZoneListJSON(w io.Writer, zones *zoned.Device, which iter.Seq[uint32]) error {
	list := output.NewList(w)
	for k := range which {
		if err := list.Add(numberedZone{k, lineOfZone(zones.Info(k))}); err != nil {
			return err
		}
	}
	return list.End()
}
