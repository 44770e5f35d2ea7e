// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

func newReport() *cobra.Command {
	var asJSON, share, wear bool
	c := &cobra.Command{
		Use:   "report IMAGE",
		Short: "List the zones of an image, in the format of blkzone report",
		Long: `List the zones of an image, in the format of blkzone report: positions and
lengths in 512-byte sectors, the write pointer from the start of its zone.

--wear lists instead what has been done to each zone since the image was made, if
it keeps counters (zone.counters=on).`,
		Args: exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			if wear {
				return reportWear(c.OutOrStdout(), args[0], share, asJSON)
			}
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
	c.Flags().BoolVar(&wear, "wear", false, "list the counters of zones that were ever used, and their sum")
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

// wearLine is what has been done to a zone.
type wearLine struct {
	Zone int `json:"zone"`
	format.ZoneCounters
}

// reportWear prints the counters of an image's zones.
func reportWear(w io.Writer, path string, share, asJSON bool) error {
	img, f, err := openImage(path, share)
	if err != nil {
		return err
	}
	defer f.Close()
	if !img.HasCounters() {
		return fmt.Errorf("%s keeps no counters of zones: an image does that is made with -o zone.counters=on", path)
	}
	all, err := img.Counters()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var sum format.ZoneCounters
	used := []wearLine{}
	for k, c := range all {
		if c != (format.ZoneCounters{}) {
			used = append(used, wearLine{k, c})
			sum.Add(c)
		}
	}
	if asJSON {
		return output.JSON(w, used)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	row := func(zone string, c format.ZoneCounters) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n", zone, c.Resets, c.Finishes, c.Bytes, c.Appends, c.Evictions)
	}
	fmt.Fprintln(t, "zone\tresets\tfinishes\tbytes\tappends\tevictions\t")
	for _, l := range used {
		row(fmt.Sprint(l.Zone), l.ZoneCounters)
	}
	row("all", sum)
	return t.Flush()
}
