// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sleeper is a process that has nothing to do with us.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

// reused are records of a device whose daemon and supervisor are dead, and whose
// numbers a stranger has now: with the starts they had, and of a program that
// did not record them.
func reused(stranger int) map[string]Record {
	r := Record{Options: Options{Image: "/x", Recovery: RecoveryReissue}, ID: 7, Node: "/dev/ublkb7", PID: stranger, Supervisor: stranger}
	with := r
	with.Start, with.SuperStart = 1, 1
	return map[string]Record{"with starts": with, "without": r}
}

// TestC21_StrangersAreLeftAlone: nobody is taken for a daemon or a supervisor
// because he has the number that one had.
func TestC21_StrangersAreLeftAlone(t *testing.T) {
	stranger := sleeper(t)
	for name, r := range reused(stranger.Process.Pid) {
		t.Run(name, func(t *testing.T) {
			dir := runWith(t, r)
			if err := Delete(dir, r.ID, true); errors.Is(err, ErrServed) {
				t.Errorf("delete: %v", err)
			}
			time.Sleep(50 * time.Millisecond)
			if p := processOf(stranger.Process.Pid); !p.lives() {
				t.Fatal("the stranger was killed")
			}
			if name == "without" {
				return // whether the supervisor lives can't be told then
			}
			if _, err := Orphan(runWith(t, r), r.ID); errors.Is(err, ErrServed) {
				t.Errorf("recover is refused for ever: %v", err)
			}
			if r.BroughtBack() || r.daemon().lives() {
				t.Error("the stranger counts as the daemon or its supervisor")
			}
		})
	}
}

// TestC21_ZombiesAreDead: a process whose parent does not ask about it has ended.
func TestC21_ZombiesAreDead(t *testing.T) {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := processOf(c.Process.Pid)
	if is, sure := p.alive(); !is || !sure {
		t.Fatalf("a process that runs: alive %v, sure %v", is, sure)
	}
	if err := p.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := until(func() bool { return !p.lives() }, "a zombie lives"); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(p.pid, 0); err != nil {
		t.Errorf("it is no zombie: %v", err)
	}
	c.Wait()
	if err := p.signal(unix.SIGKILL); p.lives() || !errors.Is(err, unix.ESRCH) {
		t.Errorf("an ended process: alive %v, %v", p.lives(), err)
	}
}

func TestParentOf(t *testing.T) {
	var seen []string
	if p := parentOf(func(args []string) bool { seen = args; return true }); p.pid != os.Getppid() || p.start == 0 || len(seen) == 0 {
		t.Errorf("%+v, started with %q", p, seen)
	}
	if p := parentOf(func([]string) bool { return false }); p.lives() {
		t.Errorf("any parent counts: %+v", p)
	}
}
