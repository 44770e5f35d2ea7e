// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/check"
)

func newCheck() *cobra.Command {
	var repair, runDir string
	var asJSON, share bool
	var quiet, stop = (*bool)(nil), new(stopper)
	c := &cobra.Command{
		Use:   "check IMAGE",
		Short: "Check an image: metadata, refcounts and the zone table",
		Long: `Check an image: metadata, refcounts and the zone table. Nothing is changed
unless --repair says so.

Findings are listed up to a thousand, and counted beyond. What -U shows of an image
that is written meanwhile may be wrong.

Exit codes: 0 clean; 1 the check could not be done; 2 errors; 3 only leaked
clusters.`,
		Args: exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			mode, ok := repairModes[repair]
			if !ok {
				return usageError{fmt.Errorf("--repair %q: must be leaks or all", repair)}
			}
			if share && mode != check.RepairNone {
				return usageError{errors.New("--repair and --force-share: an image that others may use can't be repaired")}
			}
			left, err := server.LegacyOf(runDir, args[0])
			if err != nil {
				return checkFailed(err)
			}
			f, err := openToCheck(args[0], runDir, storage.Options{ReadOnly: mode == check.RepairNone, NoLock: share,
				Compare: left.Compare})
			if err != nil {
				return checkFailed(err)
			}
			defer f.Close()
			tell, end := stop.progress(c.ErrOrStderr(), "check", *quiet)
			r, err := check.Check(f, check.Options{Repair: mode, Progress: tell})
			end()
			switch {
			case errors.Is(err, errStopped):
				return err
			case *quiet && err == nil:
				return verdict(r)
			}
			if err = left.Opened(err); err != nil {
				if r != nil {
					printCheck(c, r, asJSON) // as far as it got
				}
				return checkFailed(fmt.Errorf("%s: %w", args[0], err))
			}
			return printVerdict(c, r, asJSON)
		},
	}
	stop.mind(c, "what was not repaired yet is as it was")
	c.Flags().StringVarP(&repair, "repair", "r", "", "repair: leaks, or all (errors and wrapped zone entries too)")
	addRunDir(c, &runDir)
	quiet = addQuiet(c)
	addShare(c, &share)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printVerdict(c *cobra.Command, r *check.Report, asJSON bool) error {
	if err := printCheck(c, r, asJSON); err != nil {
		return checkFailed(err)
	}
	return verdict(r)
}

// verdict is the exit code of a check that was done.
func verdict(r *check.Report) error {
	if code := r.ExitCode(); code != check.CheckClean {
		return codeError{errors.New(""), code}
	}
	return nil
}

var repairModes = map[string]check.Repair{"": check.RepairNone, "leaks": check.RepairLeaks, "all": check.RepairAll}

func checkFailed(err error) error { return codeError{err, check.CheckFailed} }

func printCheck(c *cobra.Command, r *check.Report, asJSON bool) error {
	if asJSON {
		return r.WriteJSON(c.OutOrStdout())
	}
	return r.WriteText(c.OutOrStdout())
}

// openToCheck opens the file of an image; to be repaired it must be served by none.
func openToCheck(path, runDir string, o storage.Options) (*storage.OSFile, error) {
	if !o.ReadOnly {
		if err := server.Unserved(runDir, path); err != nil {
			return nil, err
		}
	}
	f, err := storage.Open(path, o)
	if errors.Is(err, storage.ErrInUse) && o.ReadOnly {
		err = fmt.Errorf("%w; -U looks at it all the same", err)
	}
	return f, err
}
