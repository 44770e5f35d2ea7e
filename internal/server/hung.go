// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"
)

// ErrHung is a daemon that is there, and gives no answer.
var ErrHung = errors.New("it hangs, or a signal has stopped it")

// hungAfter is how long a daemon may take to say how it stands, which it does
// from memory. Until it has, nothing is asked of it that takes time, and its device
// is not touched: whoever opens, closes or reads that waits with it, and can't be
// killed meanwhile.
const hungAfter = 2 * time.Second

// starvedTries is how often a daemon is asked that gives no answer and yet comes to its
// turns, or waits for them: on a machine that is busy it may be only late.
const starvedTries = 3

// turnsOf tells how long the threads of a process have run and waited to run, in
// nanoseconds (proc_pid_schedstat): of one that is stopped, or sleeps, it stays.
func turnsOf(pid int) (ns uint64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range tasks {
		var ran, waited uint64
		b, _ := os.ReadFile(path)
		fmt.Sscan(string(b), &ran, &waited)
		ns += ran + waited
	}
	return ns
}

// gaveNoAnswer says that whoever was asked is there, and did not take it or answer.
func gaveNoAnswer(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, unix.EAGAIN) // EAGAIN: many wait for it already
}

// hung is the error about the daemon of r, with the ways out.
func (r Record) hung(waited time.Duration) error {
	next := ""
	if r.Recovery == RecoveryReissue && r.BroughtBack() {
		next = fmt.Sprintf("`kill -KILL %d` has the next daemon go on with the device, ", r.PID)
	}
	return fmt.Errorf("%s: its daemon, process %d, has given no answer within %v: %w; %s`zqublkd del --force %d` ends both",
		r.Node, r.PID, waited, ErrHung, next, r.ID)
}

// NotHung is the error about a device whose daemon hangs, or that waits for one:
// whoever touched it would wait, too. Who may not ask the daemon learns nothing.
func NotHung(runDir string, id uint32) error {
	r, err := ReadRecord(runDir, id)
	switch {
	case err != nil || r.Starting:
		return nil
	case r.Alive:
		return r.notHung(runDir)
	case r.Recovery == RecoveryReissue && !r.Unknown:
		return fmt.Errorf("%s: its daemon is dead, and it waits for the next one: see `zqublkd list` and `zqublkd recover %d`", r.Node, id)
	}
	return nil
}

// notHung is ErrHung if the daemon of r, which lives, gives no answer.
func (r Record) notHung(runDir string) error {
	if _, err := AskStatusWithin(runDir, r.ID, hungAfter); errors.Is(err, ErrHung) {
		return err
	}
	return nil
}

// endHung ends a daemon that hears nothing, and first whoever would bring it back.
// Its device is that of a dead daemon then.
func (r Record) endHung() error {
	if err := r.stopUnit(); err != nil {
		return fmt.Errorf("%s: %w", r.Node, err)
	}
	for _, p := range []process{r.supervisor(), r.daemon()} {
		if err := p.signal(unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("%s: process %d: %w", r.Node, p.pid, err)
		}
		if err := until(func() bool { return !p.lives() }, fmt.Sprintf("%s: process %d has not ended after SIGKILL: it waits for its storage", r.Node, p.pid)); err != nil {
			return err
		}
	}
	return nil
}

// unitTimeout bounds what systemd is asked for.
const unitTimeout = 10 * time.Second

// stopUnit has systemd's unit of r stop, and not start again what ends now. The
// stop itself is not waited for: it waits for the daemon.
func (r Record) stopUnit() error {
	if r.Unit == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), unitTimeout)
	defer cancel()
	conn, err := systemdbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.StopUnitContext(ctx, r.Unit, "replace", nil); err != nil {
		return fmt.Errorf("systemd: stop of %s: %w", r.Unit, err)
	}
	return nil
}
