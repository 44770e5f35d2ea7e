// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/ublk"
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
` + columnHelp(),
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
			return printList(c.OutOrStdout(), list, chosen, !bare)
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "J", false, "print JSON, sizes in bytes")
	c.Flags().StringVarP(&columns, "output", "o", "", "the `columns` to print, separated by commas")
	c.Flags().BoolVarP(&bare, "noheadings", "n", false, "print no headings")
	addRunDir(c, &runDir)
	return c
}

// listedDevice is a device as list shows it: its record, and how it stands now.
type listedDevice struct {
	server.Record
	Kind    string   `json:"kind"`
	State   string   `json:"state"`
	Reason  string   `json:"reason,omitempty"` // of state given-up or failed
	Size    uint64   `json:"size"`             // bytes; 0: not known, its device is gone
	Zones   uint64   `json:"zones"`            // of a zoned one
	Holders []string `json:"holders"`          // who has mounted or stacked something on it
	Gone    bool     `json:"image_deleted"`
}

// listed looks at the devices that the arguments name, none: at all. All are
// looked at at once: one whose daemon is stuck holds up no other.
func listed(runDir string, args []string) ([]listedDevice, error) {
	records, err := recordsOf(runDir, args)
	if err != nil {
		return nil, err
	}
	list := make([]listedDevice, len(records))
	var g errgroup.Group
	g.SetLimit(max(atOnce, len(records)))
	for k, r := range records {
		g.Go(func() error {
			list[k] = lookAt(runDir, r)
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

func lookAt(runDir string, r server.Record) listedDevice {
	d := listedDevice{Record: r, Kind: "plain", Holders: server.Claims(r.ID), Gone: r.ImageGone()}
	d.State, d.Reason = stateOf(runDir, r)
	if d.Holders == nil {
		d.Holders = []string{}
	}
	d.Size = sysNumber(r.ID, "size") * ublk.SectorBytes
	if r.Zoned {
		d.Kind, d.Zones = "zoned", sysNumber(r.ID, "queue/nr_zones")
	}
	return d
}

// sysNumber reads a number that sysfs has of a device, 0 if it has none.
func sysNumber(id uint32, name string) uint64 {
	b, err := os.ReadFile(filepath.Join(ublk.SysPath(id), name))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// patience is how long a daemon may take to say how it stands.
const patience = 2 * time.Second

// stateOf is what a device is good for, and why; its daemon knows whether it has
// failed.
func stateOf(runDir string, r server.Record) (state, why string) {
	switch {
	case r.Unknown:
		return "unknown (no permission)", ""
	case !r.Alive && r.GivenUp != "":
		return "given-up", r.GivenUp
	case !r.Alive:
		return "dead", ""
	case r.Starting:
		return "starting", ""
	}
	s, err := server.AskStatusWithin(runDir, r.ID, patience)
	switch {
	case errors.Is(err, server.ErrHung):
		return "hung", ""
	case err == nil && s.Failure != "":
		return "failed", s.Failure
	case r.ReadOnly:
		return "read-only", ""
	}
	return "live", ""
}
