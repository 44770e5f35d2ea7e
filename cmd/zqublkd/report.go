// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

func newReport() *cobra.Command {
	var asJSON, share bool
	c := &cobra.Command{
		Use:   "report IMAGE",
		Short: "List the zones of an image, in the format of blkzone report",
		Long: `List the zones of an image, in the format of blkzone report: positions and
lengths in 512-byte sectors, the write pointer from the start of its zone.`,
		Args: exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			zones, doubt, err := doubtfulZones(args[0], share)
			if err != nil {
				return err
			}
			print := printZones
			if asJSON {
				print = printZonesJSON
			}
			if err := print(c.OutOrStdout(), zones); err != nil {
				return err
			}
			return doubt
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, sizes in bytes")
	addShare(c, &share)
	return c
}

// zonesOf reads the zones of an image as a device made of it would show them.
func zonesOf(path string, share bool) (*zoned.Device, error) {
	zones, _, err := doubtfulZones(path, share)
	return zones, err
}

// doubtfulZones also says in doubt why they are not to be trusted, if so.
func doubtfulZones(path string, share bool) (zones *zoned.Device, doubt, err error) {
	img, f, err := openImage(path, share)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	for _, r := range img.Obstacles() {
		if r.Stops == qcow2.UseRead && doubt == nil {
			doubt = fmt.Errorf("%s: %w", path, r.Err)
		}
	}
	switch {
	case img.Zoned() == nil && doubt != nil:
		return nil, nil, doubt
	case img.Zoned() == nil:
		return nil, nil, fmt.Errorf("%s is a plain qcow2 image, it has no zones: %w", path, server.ErrNotServable)
	}
	if zones, err = engine.Zones(img, nil); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if doubt != nil {
		doubt = fmt.Errorf("what is printed of the zones is not to be trusted: %w", doubt)
	}
	return zones, doubt, nil
}

// printZones prints what blkzone(8) prints.
func printZones(w io.Writer, zones *zoned.Device) error {
	out := bufio.NewWriter(w)
	for k := range zones.Geometry().Zones() {
		z := zones.Info(k)
		kind, code := "SEQ_WRITE_REQUIRED", ublk.ZoneSequential
		if z.Conventional {
			kind, code = "CONVENTIONAL", ublk.ZoneConventional
		}
		_, err := fmt.Fprintf(out, "  start: 0x%09x, len 0x%06x, cap 0x%06x, wptr %s reset:0 non-seq:0, zcond:%2d(%s) [type: %d(%s)]\n",
			sectors(z.Start), sectors(z.Length), sectors(z.Capacity), writePointer(z), uint8(z.Condition),
			z.Condition.Short(), uint8(code), kind)
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// writePointer is N/A where it means nothing, as in util-linux from 2.42 on.
func writePointer(z zoned.Info) string {
	switch z.Condition {
	case zoned.NotWP, zoned.Full, zoned.ReadOnly, zoned.Offline:
		return "N/A"
	}
	return fmt.Sprintf("0x%06x", sectors(z.WP-z.Start))
}

func sectors(bytes uint64) uint64 { return bytes / ublk.SectorBytes }

type zoneLine struct {
	Start        uint64 `json:"start"` // bytes, like all below
	Length       uint64 `json:"length"`
	Capacity     uint64 `json:"capacity"`
	WritePointer uint64 `json:"write_pointer"`
	Condition    string `json:"condition"`
	Conventional bool   `json:"conventional"`
}

func lineOfZone(z zoned.Info) zoneLine {
	return zoneLine{z.Start, z.Length, z.Capacity, z.WP, z.Condition.String(), z.Conventional}
}

// printZonesJSON prints each zone as it is looked up: there may be a million.
func printZonesJSON(w io.Writer, zones *zoned.Device) error {
	list := output.NewList(w)
	for k := range zones.Geometry().Zones() {
		if err := list.Add(lineOfZone(zones.Info(k))); err != nil {
			return err
		}
	}
	return list.End()
}
