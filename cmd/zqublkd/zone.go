package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

func newZone() *cobra.Command {
	c := &cobra.Command{
		Use:   "zone",
		Short: "List or change single zones of an image that is not served",
	}
	c.AddCommand(newZoneList(), newZoneManage(zoned.OpReset), newZoneManage(zoned.OpFinish), newZoneSet())
	group(c)
	return c
}

func newZoneSet() *cobra.Command {
	var zones []string
	var condition string
	var idle func(string) error
	c := &cobra.Command{
		Use:   "set IMAGE --zone N[-M][,...] --condition read-only|offline|normal",
		Short: "Make zones read-only or offline, as a failing drive does, or normal again",
		Long: `Make zones read-only or offline, as a failing drive does, or normal again. Data
and write pointers stay as they are: a zone that becomes normal is what it was.

  zqublkd zone set disk.qcow2 --zone 3,7-9 --condition offline`,
		Args: exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			runs, err := parseRuns(zones, condition)
			if err != nil {
				return usageError{err}
			}
			if err := idle(args[0]); err != nil {
				return err
			}
			if err := setConditions(args[0], runs); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&zones, "zone", nil, "numbers of zones, and ranges of them, from 0")
	c.Flags().StringVar(&condition, "condition", "", "read-only, offline or normal")
	idle = addIdle(c)
	return c
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
	ranges, err := parseZones(zones)
	if err != nil {
		return nil, err
	}
	var runs []format.ConditionRun
	for _, r := range ranges {
		runs = append(runs, format.ConditionRun{First: r.first, Zones: r.last - r.first + 1, Condition: c})
	}
	return runs, nil
}

func parseCondition(name string) (format.ZoneCondition, error) {
	for _, c := range []format.ZoneCondition{format.ZoneReadOnly, format.ZoneOffline, format.ZoneNormal} {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("--condition %q: must be read-only, offline or normal", name)
}
