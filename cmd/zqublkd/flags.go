// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"zqublkd/internal/background"
	"zqublkd/internal/engine"
	"zqublkd/internal/server"
	"zqublkd/internal/unit"
)

// addAllow adds the flags of verbs that read what is in other files than the
// image.
func addAllow(c *cobra.Command, a *engine.Allow) {
	f := c.Flags()
	f.BoolVar(&a.Backing, "allow-backing", false, "follow the names of backing files found in the image and in these: they lead anywhere this user may read")
	f.BoolVar(&a.Data, "allow-data-file", false, "follow the name of an external data file found in the image")
}

// addShare is the flag of verbs that only look: -U as qemu-img has it.
func addShare(c *cobra.Command, share *bool) {
	c.Flags().BoolVarP(share, "force-share", "U", false, "look at an image that is being served; what it shows may be behind")
}

// addQuiet adds the flag of verbs that may take long.
func addQuiet(c *cobra.Command) *bool {
	return c.Flags().BoolP("quiet", "q", false, "print no progress, and nothing of what was done")
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

// addRecoveryLimit adds the flag of the verbs that leave a supervisor behind.
func addRecoveryLimit(c *cobra.Command, deaths *uint) {
	c.Flags().UintVar(deaths, "recovery-limit", background.DefaultDeaths,
		"deaths of the daemon within a minute after which the device is stopped, so that its users get errors; 0: never")
}

// logLevel is what --log-level says, which every verb has.
var logLevel string

// addLogFlags lets every verb set the log level.
func addLogFlags(root *cobra.Command) {
	root.PersistentFlags().StringVar(&logLevel, "log-level", "info", "log level: error, warn, info, debug, trace")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		level, err := logrus.ParseLevel(logLevel)
		if err != nil {
			return usageError{fmt.Errorf("log level %q: must be error, warn, info, debug or trace", logLevel)}
		}
		logrus.SetLevel(level)
		logrus.SetOutput(os.Stderr)
		if os.Getenv("JOURNAL_STREAM") != "" {
			logrus.SetFormatter(unit.JournalFormatter())
		}
		return nil
	}
}
