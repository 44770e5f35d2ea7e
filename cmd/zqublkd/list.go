package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newList() *cobra.Command {
	var asJSON bool
	var runDir string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the devices that are served",
		Args:  exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			records, err := server.Records(runDir)
			if err != nil {
				return err
			}
			if asJSON {
				if records == nil {
					records = []server.Record{}
				}
				return printJSON(c.OutOrStdout(), records)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tNODE\tNAME\tKIND\tSTATE\tPID\tIMAGE")
			for _, r := range records {
				fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", r.ID, r.Node, r.Name, kindOf(r), stateOf(runDir, r), r.PID, r.Image)
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addRunDir(c, &runDir)
	return c
}

func kindOf(r server.Record) string {
	if r.Zoned {
		return "zoned"
	}
	return "plain"
}

// stateOf is what a device is good for; its daemon knows whether it has failed.
func stateOf(runDir string, r server.Record) string {
	switch {
	case r.Unknown:
		return "unknown (no permission)"
	case !r.Alive:
		return "dead"
	case r.Starting:
		return "starting"
	case r.ReadOnly:
		return "read-only"
	}
	if s, err := server.AskStatus(runDir, r.ID); err == nil && s.Failure != "" {
		return "failed"
	}
	return "live"
}

// addIdle adds --run-dir to a verb that changes an image without serving it. The
// function it returns is the error of an image that is served, or waits for its
// next daemon.
func addIdle(c *cobra.Command) func(image string) error {
	var runDir string
	addRunDir(c, &runDir)
	return func(image string) error { return server.Unserved(runDir, image) }
}

func addRunDir(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "run-dir", server.DefaultRunDir, "where devices are recorded")
}
