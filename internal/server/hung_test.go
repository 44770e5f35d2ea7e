// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/statefile"
)

// napper is a process that does nothing, and ends with the test.
func napper(t *testing.T, files ...*os.File) process {
	t.Helper()
	c := exec.Command("sleep", "600")
	c.ExtraFiles = files
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	t.Cleanup(func() { c.Process.Kill(); <-ended })
	return processOf(c.Process.Pid)
}

// hungDevice records device 900, whose daemon holds its lock, can be connected to,
// and never says a word; a supervisor would bring the next.
func hungDevice(t *testing.T) (run string, r Record) {
	t.Helper()
	run = t.TempDir()
	c, err := lockDevice(run, 900)
	if err != nil {
		t.Fatal(err)
	}
	daemon, supervisor := napper(t, c.lock), napper(t)
	r = Record{
		Options: Options{RunDir: run, Recovery: RecoveryReissue}, ID: 900, Node: "/dev/ublkb900",
		PID: daemon.pid, Start: daemon.start, Supervisor: supervisor.pid, SuperStart: supervisor.start,
	}
	b, err := json.Marshal(r)
	if err = errors.Join(err, os.WriteFile(c.path(recordName), b, 0o644), c.lock.Close()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(c.dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return run, r
}

// TestHung: whatever is asked of a daemon that gives no answer ends soon, says so
// with the way out, and leaves the daemon alone.
func TestHung(t *testing.T) {
	run, r := hungDevice(t)
	for name, verb := range map[string]func() error{
		"status":      func() error { _, err := AskStatus(run, 900); return err },
		"errors":      func() error { _, err := AskErrors(run, 900); return err },
		"del":         func() error { return Delete(run, 900, false) },
		"recover":     func() error { _, err := Orphan(run, 900); return err },
		"upgrade":     func() error { _, err := HandOver(run, 900); return err },
		"zones":       func() error { return NotHung(run, 900) },
		"stop by API": func() error { _, err := askStop(run, 900, stopping{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			err := verb()
			if !errors.Is(err, ErrHung) || !strings.Contains(err.Error(), "del --force 900") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took < hungAfter || took > hungAfter+5*time.Second {
				t.Errorf("took %v", took)
			}
			if !r.daemon().lives() || !r.supervisor().lives() {
				t.Error("it was ended")
			}
		})
	}
}

// TestEndHung: del --force ends a daemon that hears nothing, and who would bring it
// back, but no stranger who has the number of one of them.
func TestEndHung(t *testing.T) {
	run, r := hungDevice(t)
	stranger := r
	stranger.Start++
	stranger.SuperStart++
	if err := stranger.endHung(); err != nil || !r.daemon().lives() || !r.supervisor().lives() {
		t.Errorf("strangers: daemon %v, supervisor %v: %v", r.daemon().lives(), r.supervisor().lives(), err)
	}
	if err := r.endHung(); err != nil || r.daemon().lives() || r.supervisor().lives() {
		t.Errorf("daemon %v, supervisor %v: %v", r.daemon().lives(), r.supervisor().lives(), err)
	}
	if now, err := ReadRecord(run, 900); err != nil || now.Alive {
		t.Errorf("its record: %+v, %v", now, err)
	}
}

// A device that waits for its next daemon is not touched by who only looks.
func TestNotHungDead(t *testing.T) {
	w := newWorld(t)
	w.kill(w.up(RecoveryReissue))
	if err := NotHung(w.run, 0); err == nil || !strings.Contains(err.Error(), "recover 0") {
		t.Errorf("got %v", err)
	}
	d := w.up(RecoveryReissue)
	if err := NotHung(w.run, 0); err != nil {
		t.Errorf("served: %v", err)
	}
	if err := d.mayHandOver(statefile.Version); err != nil {
		t.Error(err)
	}
	w.down(d)
	if err := NotHung(w.run, 0); err != nil {
		t.Errorf("not there: %v", err)
	}
}
