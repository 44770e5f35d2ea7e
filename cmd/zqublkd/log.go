// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"zqublkd/internal/unit"
)

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
