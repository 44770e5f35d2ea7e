// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zqublkd/internal/server"
)

func TestScopeProperties(t *testing.T) {
	r := server.Record{Options: server.Options{Name: "my disk", Image: "/srv/my disk.qcow2"}, ID: 3, Node: "/dev/ublkb3", PID: 11}
	got := map[string]string{}
	for _, p := range scopeProperties(r, 10) {
		got[p.Name] = fmt.Sprint(p.Value.Value())
	}
	for name, want := range map[string]string{
		"PIDs":                "[11 10]",
		"DefaultDependencies": "false",
		"Conflicts":           "[shutdown.target]",
		"Before": `[shutdown.target blockdev@dev-ublkb3.target blockdev@dev-zqublkd-my\x5cx20disk.target ` +
			`blockdev@dev-disk-by\x2did-zqublkd\x2dmy\x5cx20disk.target]`,
		"RequiresMountsFor": "[/srv/my disk.qcow2]",
		"TimeoutStopUSec":   "90000000",
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	if got := scopeProperties(r, 11); fmt.Sprint(got[1].Value.Value()) != "[11]" {
		t.Errorf("without a supervisor: %v", got[1])
	}
}

// A daemon that a service adds does not tell systemd that the service is ready.
func TestWithoutUnit(t *testing.T) {
	got := WithoutUnit([]string{"PATH=/bin", "NOTIFY_SOCKET=/run/x", "JOURNAL_STREAM=1:2", "ZQUBLKD_UNIT=a.service", "LISTEN_FDS=1", "NOTIFY=1"})
	if want := []string{"PATH=/bin", "NOTIFY=1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A stream to journald begins with its header, and lines follow as they are.
func TestOpenJournal(t *testing.T) {
	journalSocket = filepath.Join(t.TempDir(), "stdout")
	if _, err := OpenJournal(); err == nil {
		t.Error("a journal that is not there")
	}
	l, err := net.Listen("unix", journalSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := OpenJournal()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, "<4>a warning")
	f.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var lines []string
	for s := bufio.NewScanner(c); s.Scan(); {
		lines = append(lines, s.Text())
	}
	if got, want := strings.Join(lines, "|"), "zqublkd||6|1|0|0|0|<4>a warning"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
