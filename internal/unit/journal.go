// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"bytes"
	"fmt"
	"net"
	"os"

	"github.com/sirupsen/logrus"
)

// journalSocket is where journald takes streams of lines (systemd-cat(1)).
var journalSocket = "/run/systemd/journal/stdout"

// OpenJournal returns a stream whose lines journald keeps, with the priorities
// that journalFormatter puts before them.
func OpenJournal() (*os.File, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: journalSocket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// Identifier, unit (journald finds it out), default priority, then four yes
	// or no: lines have priorities; forward to syslog, the kernel's log, the console.
	if _, err := fmt.Fprintf(c, "zqublkd\n\n%d\n1\n0\n0\n0\n", priorities[logrus.InfoLevel]); err != nil {
		return nil, err
	}
	return c.File() // a duplicate, which blocks
}

// journalFormatter puts the priority that journald reads before each line, and
// leaves the time to journald.
type journalFormatter struct{ text *logrus.TextFormatter }

// JournalFormatter returns the formatter for lines that journald reads.
func JournalFormatter() logrus.Formatter {
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

// Priority returns the number that sd-daemon(3) has for a level.
func Priority(l logrus.Level) int { return priorities[l] }
