// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/output"
	"zqublkd/internal/printable"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// snapshotLine is a line of snapshot list, with the names that qemu-img info has.
type snapshotLine struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	DateSec int64  `json:"date-sec"`
	Size    uint64 `json:"virtual-size"`
	VMState uint64 `json:"vm-state-size"`
}

func snapshotsOf(img *qcow2.Image) ([]snapshotLine, error) {
	list := []snapshotLine{}
	err := img.EachSnapshot(func(s format.Snapshot) error {
		list = append(list, snapshotLine{s.ID, s.Name, s.Date.Unix(), s.DiskSize, s.VMState})
		return nil
	})
	return list, err
}

// completeSnapshots completes the name or ID of a snapshot, of the image that was given before.
func completeSnapshots(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	img, f, err := openImage(args[0], true)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer f.Close()
	list, err := snapshotsOf(img)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, s := range list {
		when := time.Unix(s.DateSec, 0).UTC().Format(time.RFC3339)
		if printable.Text(s.Name) == s.Name { // what a shell could put into a line
			words = append(words, fmt.Sprintf("%s\tsnapshot %s, %s", s.Name, s.ID, when))
		}
		words = append(words, fmt.Sprintf("%s\tsnapshot %q, %s", s.ID, s.Name, when))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func newSnapshotList() *cobra.Command {
	var share, asJSON bool
	c := &cobra.Command{Use: "list IMAGE", Short: "List the snapshots of an image", Args: exactly("IMAGE"),
		Example: "  zqublkd snapshot list plain.qcow2"}
	addShare(c, &share)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		img, f, err := openImage(args[0], share)
		if err != nil {
			return err
		}
		defer f.Close()
		list, err := snapshotsOf(img)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if asJSON {
			return output.JSON(c.OutOrStdout(), list)
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tDATE\tDISK\tVM STATE")
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable.Text(s.ID), printable.Text(s.Name),
				time.Unix(s.DateSec, 0).UTC().Format(time.RFC3339), bytesize.Format(s.Size), bytesize.Format(s.VMState))
		}
		return w.Flush()
	}
	return c
}
