// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
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
			logrus.SetFormatter(newJournalFormatter())
		}
		return nil
	}
}

// journalFormatter puts the priority that journald reads before each line, and
// leaves the time to it.
type journalFormatter struct{ text *logrus.TextFormatter }

func newJournalFormatter() journalFormatter {
	return journalFormatter{&logrus.TextFormatter{DisableTimestamp: true, DisableColors: true}}
}

// priorities are syslog's, sd-daemon(3).
var priorities = map[logrus.Level]int{
	logrus.PanicLevel: 0, logrus.FatalLevel: 2, logrus.ErrorLevel: 3, logrus.WarnLevel: 4,
	logrus.InfoLevel: 6, logrus.DebugLevel: 7, logrus.TraceLevel: 7,
}

// Format implements logrus.Formatter.
func (f journalFormatter) Format(e *logrus.Entry) ([]byte, error) {
	b, err := f.text.Format(e)
	if err != nil {
		return nil, err
	}
	line := bytes.ReplaceAll(bytes.TrimRight(b, "\n"), []byte("\n"), []byte(" "))
	return fmt.Appendf(nil, "<%d>%s\n", priorities[e.Level], line), nil
}
