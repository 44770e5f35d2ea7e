// SPDX-License-Identifier: Apache-2.0

// Command zqublkd serves zoned qcow2 images as zoned block devices.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/printable"
)

func main() {
	signal.Ignore(unix.SIGXFSZ) // a write past RLIMIT_FSIZE is an error like any other (EFBIG)
	root := newRoot()
	root.SetArgs(byName(os.Args))
	if err := execute(root); err != nil {
		if text := err.Error(); text != "" {
			fmt.Fprintln(os.Stderr, "zqublkd:", printable.Text(oneLine(text)))
		}
		os.Exit(exitCode(err))
	}
}

// execute runs the verb that the arguments name.
func execute(root *cobra.Command) error {
	err := root.Execute()
	if err != nil {
		err = inOurWords(root, err)
	}
	return err
}

// extraVerbs are those of special builds.
var extraVerbs []func() *cobra.Command

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "zqublkd",
		Short: "Serve zoned qcow2 images as host-managed zoned block devices",
		Long: `zqublkd turns a zoned qcow2 image into /dev/ublkbN, a host-managed zoned block
device of the running kernel, through the ublk driver.

` + exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetFlagErrorFunc(flagError)
	root.DisableSuggestions = true // inOurWords has them
	root.SetHelpCommand(newHelp())
	addLogFlags(root)
	root.AddCommand(newCreate(), newInfo(), newMap(), newReport(), newZones(), newCheck(), newAmend(), newZone(),
		newResize(), newSnapshots(), newCompact(), newSalvage(),
		newExport(), newConvert(), newImport(), newCommit(), newRebase(), newBench(),
		newAdd(), newServe(), newList(), newDel(), newResetToBase(), newRecover(), newUpgrade(), newErrors(),
		newShare(), newUnshare(),
		newMetrics(), newTop(), newFault(), newPowercut(), newTrace(), newReplay(),
		newFeatures(), newGenerate(), newUdev(), newSupervise(), newStarter(), newGiveUp())
	for _, verb := range extraVerbs {
		root.AddCommand(verb())
	}
	addCompletions(root)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			group(c)
		}
	}
	return root
}

// release is the content of the file VERSION; make puts it here. A program that
// was built without make knows its commit only.
var release = "unreleased"

// version is the release, and the commit and its date as the Go tool stamped
// them.
func version() string {
	var revision, date, changed string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.time":
				date = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", changed"
			}
		}
	}
	if revision == "" {
		return release
	}
	return fmt.Sprintf("%s (commit %s of %s%s)", release, revision, date, changed)
}
