// SPDX-License-Identifier: Apache-2.0

package background

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"zqublkd/internal/server"
	"zqublkd/internal/unit"
)

// Spawn starts a daemon in a session of its own and waits until it serves, or
// has told on our standard error why not. Where systemd runs and apart is set, it
// gets a unit of its own. If it is a new device an interrupt meanwhile ends the
// daemon, too, and nothing is left of it; one that takes over a device goes on
// without us.
func Spawn(args []string, apart, isNew bool) (server.Record, error) {
	self, err := os.Executable()
	if err != nil {
		return server.Record{}, err
	}
	return SpawnProgram(self, args, apart, isNew)
}

// SpawnProgram is Spawn for any program.
func SpawnProgram(program string, args []string, apart, isNew bool) (server.Record, error) {
	var r server.Record
	ready, theirs, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer ready.Close()
	var signals chan os.Signal
	if isNew {
		signals = make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
		defer signal.Stop(signals)
	}
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // becomes readyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	cmd.Env = unit.WithoutUnit(os.Environ())
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return r, err
	}
	lines := make(chan []byte, 1)
	go func() {
		line, err := bufio.NewReader(ready).ReadBytes('\n')
		if err != nil {
			line = nil
		}
		lines <- line
	}()
	select {
	case line := <-lines:
		if line == nil {
			return r, failure(cmd.Wait())
		}
		err := json.Unmarshal(line, &r)
		if err == nil && apart {
			unit.LeaveCaller(r, cmd.Process.Pid)
		}
		return r, err
	case <-signals:
		signal.Stop(signals) // the next one ends us at once
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return r, err
		}
		_ = cmd.Wait() // however it ended
		return r, &ExitError{ExitInterrupted, errors.New("interrupted: there is no device")}
	}
}

// failure passes on the exit code of a daemon that has said why it ended.
func failure(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &ExitError{exit.ExitCode(), errors.New("")}
	}
	return fmt.Errorf("the daemon ended before its device was ready: %w", errors.Join(err, errDaemon))
}

var errDaemon = errors.New("no reason given")
