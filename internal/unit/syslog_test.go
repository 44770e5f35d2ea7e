// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

func TestLogToSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.DebugLevel)
	c, err := LogToSyslog(l, "unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l.WithField("device", "/dev/ublkb0").Error("two\nlines")
	l.Warn("warn")
	l.Info("info")
	l.Debug("debug")
	for _, want := range []struct{ priority, text string }{ // 24: daemon
		{"<27>", `msg="two\nlines" device=/dev/ublkb0`}, {"<28>", "msg=warn"}, {"<30>", "msg=info"}, {"<31>", "msg=debug"}} {
		b := make([]byte, 4096)
		daemon.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := daemon.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(b[:n]); !strings.HasPrefix(got, want.priority) || !strings.Contains(got, "zqublkd[") || !strings.Contains(got, want.text) {
			t.Errorf("%q, want %v", got, want)
		}
	}
	daemon.Close()
	l.Info("nobody hears it") // and nothing fails or waits
	if _, err := LogToSyslog(l, "unixgram", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no syslogd, and no error")
	}
}
