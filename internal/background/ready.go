// SPDX-License-Identifier: Apache-2.0

package background

import (
	"encoding/json"
	"errors"
	"os"
	"syscall"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/internal/server"
	"zqublkd/internal/unit"
)

// readyFD is where a daemon in the background writes its record when its
// device can be used.
const readyFD = 3

// KeepReady keeps readyFD from the processes that this one starts.
func KeepReady() { unix.CloseOnExec(readyFD) }

// Detach tells add, and leaves its terminal for a log: the journal, or where
// there is none syslogd and a file beside the record.
func Detach(runDir string, r server.Record) error {
	log, err := unit.OpenJournal()
	if err == nil {
		logrus.SetFormatter(unit.JournalFormatter())
	} else {
		// syslogd keeps what is said longer than the device lasts; the file also has what Go itself
		// says of a crash. Without syslogd there is the file alone.
		_, _ = unit.LogToSyslog(logrus.StandardLogger(), "", "")
		log, err = os.OpenFile(server.LogPath(runDir, r.ID), os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_CLOEXEC,
			0o600)
	}
	if err == nil {
		err = unix.Dup2(int(log.Fd()), int(os.Stderr.Fd()))
		log.Close()
	}
	ready := os.NewFile(readyFD, "ready")
	defer ready.Close()
	return errors.Join(err, json.NewEncoder(ready).Encode(r))
}
