// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"zqublkd/internal/devicelist"
	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/internal/suggest"
)

func newList() *cobra.Command {
	var asJSON, bare bool
	var columns, runDir string
	c := &cobra.Command{
		Use:   "list [DEVICE...]",
		Short: "List the devices that are served",
		Long: `List the devices that are served: all, or those named.

` + deviceHelp + `

Columns, for -o:
` + devicelist.Help(),
		Example: "  zqublkd list -n -o node,size,holders\n  zqublkd list -J disk.qcow2",
		RunE: func(c *cobra.Command, args []string) error {
			chosen, err := chosenColumns(columns)
			if err != nil {
				return usageError{err}
			}
			list, err := listed(runDir, args)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(c.OutOrStdout(), list)
			}
			return devicelist.Print(c.OutOrStdout(), list, chosen, !bare)
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "J", false, "print JSON, sizes in bytes")
	c.Flags().StringVarP(&columns, "output", "o", "", "the `columns` to print, separated by commas")
	c.Flags().BoolVarP(&bare, "noheadings", "n", false, "print no headings")
	addRunDir(c, &runDir)
	return c
}

// listed looks at the devices that the arguments name, none: at all. All are
// looked at at once: one whose daemon is stuck holds up no other.
func listed(runDir string, args []string) ([]devicelist.Device, error) {
	records, err := recordsOf(runDir, args)
	if err != nil {
		return nil, err
	}
	list := make([]devicelist.Device, len(records))
	var g errgroup.Group
	g.SetLimit(max(atOnce, len(records)))
	for k, r := range records {
		g.Go(func() error {
			list[k] = devicelist.Look(runDir, r)
			return nil
		})
	}
	return list, g.Wait()
}

func recordsOf(runDir string, args []string) ([]server.Record, error) {
	records, err := server.Records(runDir)
	if err != nil || len(args) == 0 || isAll(args) {
		return records, err
	}
	byID := map[uint32]server.Record{}
	for _, r := range records {
		byID[r.ID] = r
	}
	ids, err := chosen(runDir, args)
	records = records[:0]
	for _, id := range ids {
		r, ok := byID[id]
		if !ok {
			return nil, server.NotOurs(runDir, id)
		}
		records = append(records, r)
	}
	return records, err
}

// chosenColumns reads names of columns as node,size; empty: those that are
// shown if nobody says which.
func chosenColumns(text string) ([]devicelist.Column, error) {
	var chosen []devicelist.Column
	for _, col := range devicelist.Columns {
		if text == "" && col.Shown {
			chosen = append(chosen, col)
		}
	}
	if text == "" {
		return chosen, nil
	}
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		k := slices.IndexFunc(devicelist.Columns, func(col devicelist.Column) bool { return col.Name == name })
		if k < 0 {
			return nil, fmt.Errorf("-o %s: no such column%s; there are %s", name,
				suggest.DidYouMean(name, devicelist.Names()), strings.Join(devicelist.Names(), ", "))
		}
		chosen = append(chosen, devicelist.Columns[k])
	}
	return chosen, nil
}
