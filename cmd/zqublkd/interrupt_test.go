// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/background"
)

// waitFor waits until something is so.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// hasDraft reports whether a process has a file of the folder open that has no
// name, or one of its own.
func hasDraft(pid int, dir string) bool {
	links, _ := filepath.Glob("/proc/" + strconv.FormatUint(uint64(pid), 10) + "/fd/*")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, dir+"/") && filepath.Base(to) != "in" {
			return true
		}
	}
	return false
}

// An import that is interrupted ends at once, leaves nothing, and what was there
// before is there still.
func TestInterruptLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out.qcow2")
	if err := os.WriteFile(in, bytes.Repeat([]byte("data"), 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for sig, before := range map[os.Signal]string{unix.SIGINT: "", unix.SIGTERM: "old"} {
		if before != "" {
			if err := os.WriteFile(out, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "import", "--force", "--format", "raw", "-o", "zone.size=1M", in, out)
		var says bytes.Buffer
		cmd.Stderr = &says
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the draft", func() bool { return hasDraft(cmd.Process.Pid, dir) })
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
			t.Errorf("%v: it ended with %v: %s", sig, err, &says)
		}
		if !strings.Contains(says.String(), "interrupted: no image was made") {
			t.Errorf("%v: it said %q", sig, &says)
		}
		b, err := os.ReadFile(out)
		if string(b) != before || (err == nil) != (before != "") {
			t.Errorf("%v: there is %q, %v; before %q", sig, b[:min(len(b), 10)], err, before)
		}
		want := 1 // in
		if before != "" {
			want++
		}
		if left, _ := os.ReadDir(dir); len(left) != want {
			t.Errorf("%v: left %v", sig, left)
		}
		os.Remove(out)
	}
}

// An interrupt while add waits for its device ends the daemon, and waits for its
// end; a daemon that takes over goes on.
func TestInterruptOfAdd(t *testing.T) {
	for _, isNew := range []bool{true, false} {
		pidFile := filepath.Join(t.TempDir(), "pid")
		const daemon = `trap 'echo ended >>$0; exit 0' TERM; echo $$ >$0.new; mv $0.new $0; while :; do sleep 0.05; done`
		done := make(chan error, 1)
		go func() {
			_, err := background.SpawnProgram("/bin/sh", []string{"-c", daemon, pidFile}, false, isNew)
			done <- err
		}()
		waitFor(t, "the daemon", func() bool { _, err := os.Stat(pidFile); return err == nil })
		b, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		if !isNew { // it would end us: its daemon is in a session of its own and gets nothing
			killSession(t, strings.TrimSpace(string(b)))
			if err := <-done; err == nil || exitCode(err) == exitInterrupted {
				t.Errorf("a takeover whose daemon ends: %v", err)
			}
			continue
		}
		if err := unix.Kill(os.Getpid(), unix.SIGINT); err != nil {
			t.Fatal(err)
		}
		err = <-done
		if exitCode(err) != exitInterrupted || !strings.Contains(err.Error(), "there is no device") {
			t.Errorf("%v, exit code %d", err, exitCode(err))
		}
		if b, _ := os.ReadFile(pidFile); !strings.HasSuffix(string(b), "ended\n") {
			t.Errorf("the daemon has not ended when add returns: %q", b)
		}
	}
}

func killSession(t *testing.T, pid string) {
	t.Helper()
	if out, err := exec.Command("kill", "-TERM", pid).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
}
