// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"

	"github.com/sirupsen/logrus"
)

// journalSocket is where journald takes streams of lines (systemd-cat(1)).
var journalSocket = "/run/systemd/journal/stdout"

// openJournal returns a stream whose lines journald keeps, with the priorities
// that journalFormatter puts before them.
func openJournal() (*os.File, error) {
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
