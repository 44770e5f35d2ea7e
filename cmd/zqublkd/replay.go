// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"zqublkd/internal/output"
	"zqublkd/internal/printable"
	"zqublkd/internal/replay"
	"zqublkd/internal/server"
)

func newReplay() *cobra.Command {
	var o replay.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "replay FILE /dev/NODE",
		Short: "Do to a zoned block device what a trace says, and tell what differs",
		Long: `Do to a zoned block device, ours or any other of the same geometry, what the trace
in a file says ("zqublkd trace -o"): one request after the other, in the order in
which the zones' rules judged them. Tells which requests have another outcome, and
which zones end in another state; the exit status is 1 if there are any.

What is written is a pattern, each 8 bytes their own place on the disk. An append
is a write to the place that it had. The device must be nobody else's meanwhile,
and its zones as they were when the trace began: --prepare makes them so.`,
		Example: "  zqublkd replay --prepare bug.trace /dev/nullb0",
		Args:    exactly("FILE", "DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			o.Device = args[1]
			r, err := runReplay(args[0], o)
			if err != nil {
				return err
			}
			if asJSON {
				err = output.JSON(c.OutOrStdout(), r)
			} else {
				printReplay(c.OutOrStdout(), r)
			}
			if err == nil && r.Found > 0 {
				err = fmt.Errorf("%s: %d differences to the trace in %s", o.Device, r.Found, args[0])
			}
			return err
		},
	}
	c.Flags().BoolVar(&o.Prepare, "prepare", false, "first make the zones as the trace begins with them: what is in them is lost")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func runReplay(file string, o replay.Options) (*replay.Result, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := replay.Load(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if id, ok := nodeNumber(o.Device); ok {
		if err := server.NotHung(server.DefaultRunDir, id); err != nil {
			return nil, err
		}
	}
	return replay.Run(t, o)
}

func printReplay(w io.Writer, r *replay.Result) {
	for _, note := range r.Notes {
		fmt.Fprintln(w, "note:", printable.Text(note))
	}
	for _, d := range r.Differences {
		fmt.Fprintln(w, "difference:", d)
	}
	if n := r.Found - len(r.Differences); n > 0 {
		fmt.Fprintf(w, "and %d more differences\n", n)
	}
	fmt.Fprintf(w, "%d requests replayed, %d skipped, %d differences\n", r.Requests, r.Skipped, r.Found)
}
