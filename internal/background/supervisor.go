// SPDX-License-Identifier: Apache-2.0

package background

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/internal/server"
)

// A daemon that dies DefaultDeaths times (--recovery-limit) within deathWindow
// is not brought back: its device waits for a person if it is in use, and is
// stopped if not.
const (
	DefaultDeaths = 3
	deathWindow   = time.Minute
)

// Supervise starts a daemon, the program with the given arguments, and starts it again when it
// dies, until it has died too often (0: never) or ends in good order.
func Supervise(limit int, args []string) error {
	KeepReady()
	s := supervisor{limit: limit, args: args}
	return s.run()
}

// supervisor brings one daemon back.
type supervisor struct {
	args   []string
	limit  int // deaths within deathWindow that are too many, 0: any number is fine
	record server.Record
	runDir string
	deaths []time.Time
	ending bool // somebody has asked for the end, of a daemon that may not have heard it
}

func (s *supervisor) run() error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	child, err := s.first()
	if err != nil {
		return err
	}
	for {
		err := s.wait(child, signals)
		if err == nil {
			return nil
		}
		if s.ending {
			return server.Bury(s.runDir, s.record.ID)
		}
		if exited(err, ExitUnclean) { // it has said why
			return nil
		}
		if exited(err, ExitHandOver) {
			logrus.Info("the daemon has handed its device over")
		} else {
			logrus.WithError(err).Error("the daemon died")
			if s.tooOften(time.Now()) {
				return s.giveUp(fmt.Sprintf("its daemon died %d times within %v, last: %v", len(s.deaths), deathWindow, err))
			}
		}
		var ready *os.File
		if child, ready, err = s.start(); err != nil {
			return s.giveUp(fmt.Sprintf("its next daemon could not be started: %v", err))
		}
		go io.Copy(io.Discard, ready)
	}
}

// exited says that a daemon has ended by itself with a code of its own.
func exited(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

// first starts the daemon for the first time and passes its readiness on.
func (s *supervisor) first() (*exec.Cmd, error) {
	child, ready, err := s.start()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(ready).ReadBytes('\n')
	if err != nil {
		return nil, failure(child.Wait())
	}
	if err := json.Unmarshal(line, &s.record); err != nil {
		return nil, err
	}
	s.runDir = s.record.RunDir
	return child, Detach(s.runDir, s.record)
}

// start starts a daemon; what it says when it is ready can be read.
func (s *supervisor) start() (*exec.Cmd, *os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	child := exec.Command(self, s.args...)
	child.Stderr = os.Stderr
	child.ExtraFiles = []*os.File{theirs} // becomes readyFD
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return child, ready, child.Start()
}

// wait waits for the end of the daemon, nil if it was an orderly one, and
// passes signals on to it.
func (s *supervisor) wait(child *exec.Cmd, signals <-chan os.Signal) error {
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case sig := <-signals:
			s.ending = true
			child.Process.Signal(sig)
		case err := <-ended:
			return err
		}
	}
}

// tooOften notes a death.
func (s *supervisor) tooOften(now time.Time) bool {
	s.deaths = append(s.deaths, now)
	s.deaths = s.deaths[max(0, len(s.deaths)-max(s.limit, 1)):]
	return s.limit > 0 && len(s.deaths) == s.limit && now.Sub(s.deaths[0]) < deathWindow
}

// giveUp ends the bringing back. The reason stays in the list of devices.
func (s *supervisor) giveUp(why string) error {
	users, err := server.GiveUp(s.runDir, s.record.ID, why)
	if len(users) > 0 {
		return errors.Join(fmt.Errorf("%s is given up: %s; it is in use (%s) and waits: `zqublkd recover %d` brings it back, `zqublkd del --dead %d` stops it",
			s.record.Node, why, strings.Join(users, ", "), s.record.ID, s.record.ID), err)
	}
	return errors.Join(fmt.Errorf("%s is given up: %s; nobody uses it: it is stopped, its image can be served again", s.record.Node, why), err)
}
