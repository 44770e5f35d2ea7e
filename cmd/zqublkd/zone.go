// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
	"zqublkd/internal/storage"
	"zqublkd/internal/zonerange"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

func newZone() *cobra.Command {
	c := &cobra.Command{
		Use:   "zone",
		Short: "List or change single zones of an image; of a served device, their conditions",
	}
	c.AddCommand(newZoneList(), newZoneManage(zoned.OpReset), newZoneManage(zoned.OpFinish), newZoneSet())
	group(c)
	return c
}

func newZoneSet() *cobra.Command {
	var zones []string
	var condition, runDir string
	c := &cobra.Command{
		Use:   "set {IMAGE | DEVICE} {ZONES CONDITION | --zone N[-M][,...] --condition CONDITION}",
		Short: "Make zones read-only or offline, as a failing drive does, or normal again",
		Long: `Make zones read-only or offline, as a failing drive does, or normal again. Data
and write pointers stay as they are: a zone that becomes normal is what it was.

On a device it happens while that is in use: writes in flight there fail, and the
condition stays in the image. There a zone may become full, too: by a finish.

` + deviceHelp,
		Example: `  zqublkd zone set disk.qcow2 --zone 3,7-9 --condition offline
  zqublkd zone set /dev/ublkb0 5 read-only`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 3 && len(zones) == 0 && condition == "":
				zones, condition = strings.Split(args[1], ","), args[2]
			case len(args) != 1:
				return usageError{fmt.Errorf("%s: name an image or a device, zones and a condition; see `%s --help`", path(c), c.CommandPath())}
			}
			return setZones(runDir, args[0], zones, condition)
		},
	}
	c.Flags().StringSliceVar(&zones, "zone", nil, "numbers of zones, and ranges of them, from 0")
	c.Flags().StringVar(&condition, "condition", "", "read-only, offline, normal, or full (of a device)")
	addRunDir(c, &runDir)
	return c
}

// conditionFull is what a zone becomes by a finish: only its write pointer says so.
const conditionFull = "full"

func setZones(runDir, name string, zones []string, condition string) error {
	full := condition == conditionFull
	if full {
		condition = format.ZoneNormal.String()
	}
	runs, err := parseRuns(zones, condition)
	if err != nil {
		return usageError{err}
	}
	id, isDevice, err := served(runDir, name)
	switch {
	case err != nil:
		return err
	case isDevice:
		return server.SetZones(runDir, id, runs, full)
	case full:
		return usageError{errors.New("a zone becomes full on a served device only: add the image first")}
	}
	if err := server.Unserved(runDir, name); err != nil {
		return err
	}
	if err := setConditions(name, runs); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// served is the device with a daemon that a name stands for, if it stands for one and
// not for an image that nobody serves.
func served(runDir, name string) (id uint32, isDevice bool, err error) {
	records, err := server.Records(runDir)
	if err != nil {
		return 0, false, err
	}
	id, err = find(records, name)
	if err != nil {
		if _, e := os.Stat(name); e == nil {
			return 0, false, nil
		}
		return 0, false, err
	}
	at := slices.IndexFunc(records, func(r server.Record) bool { return r.ID == id })
	if at >= 0 && !records[at].Alive {
		if _, e := os.Stat(name); e == nil && !strings.HasPrefix(name, "/dev/") {
			return 0, false, nil // an image, whose daemon is dead
		}
	}
	return id, true, nil
}

func setConditions(path string, runs []format.ConditionRun) error {
	f, err := storage.Open(path, storage.Options{})
	if err != nil {
		return err
	}
	img, err := qcow2.Open(f, qcow2.OpenOptions{NoData: true})
	if err == nil {
		err = errors.Join(img.SetZoneConditions(runs...), img.Close())
	}
	return errors.Join(err, f.Close())
}

// parseRuns reads zones as 3, or 7-9 with both ends, and what they shall be.
func parseRuns(zones []string, condition string) ([]format.ConditionRun, error) {
	c, err := parseCondition(condition)
	if err != nil {
		return nil, err
	}
	if len(zones) == 0 {
		return nil, errors.New("--zone: name the zones to change")
	}
	ranges, err := zonerange.Parse(zones)
	if err != nil {
		return nil, err
	}
	var runs []format.ConditionRun
	for _, r := range ranges {
		runs = append(runs, format.ConditionRun{First: r.First, Zones: r.Last - r.First + 1, Condition: c})
	}
	return runs, nil
}

func parseCondition(name string) (format.ZoneCondition, error) {
	for _, c := range []format.ZoneCondition{format.ZoneReadOnly, format.ZoneOffline, format.ZoneNormal} {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("--condition %q: must be read-only, offline or normal, or full on a device", name)
}
