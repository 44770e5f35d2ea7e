// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"bytes"
	"io"
	"log/syslog"

	"github.com/sirupsen/logrus"
)

// syslogTag is the name that lines have in the system's log.
const syslogTag = "zqublkd"

// syslogHook gives each line to syslogd, with its priority, for machines that have no journal.
type syslogHook struct {
	to   *syslog.Writer
	text logrus.TextFormatter
}

// LogToSyslog sends what a logger says to the system's log, too; what it fails to take is lost
// there alone. An address of "" is this machine's syslogd.
func LogToSyslog(l *logrus.Logger, network, address string) (io.Closer, error) {
	w, err := syslog.Dial(network, address, syslog.LOG_DAEMON|syslog.LOG_INFO, syslogTag)
	if err != nil {
		return nil, err
	}
	l.AddHook(&syslogHook{w, logrus.TextFormatter{DisableTimestamp: true, DisableColors: true}})
	return w, nil
}

// Levels implements logrus.Hook.
func (*syslogHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook. It returns no error: logrus would print it for each line.
func (h *syslogHook) Fire(e *logrus.Entry) error {
	b, err := h.text.Format(e)
	if err != nil {
		return nil
	}
	line := string(bytes.ReplaceAll(bytes.TrimRight(b, "\n"), []byte("\n"), []byte(" ")))
	switch Priority(e.Level) {
	case 0, 2:
		_ = h.to.Crit(line)
	case 3:
		_ = h.to.Err(line)
	case 4:
		_ = h.to.Warning(line)
	case 7:
		_ = h.to.Debug(line)
	default:
		_ = h.to.Info(line)
	}
	return nil
}
