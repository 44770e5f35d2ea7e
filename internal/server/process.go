// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process names a process for good: its number may be somebody else's after its
// end, but not with the same start.
type process struct {
	pid   int
	start uint64 // clock ticks since boot, proc_pid_stat(5); 0: not known
}

// processOf is the process that has a number now.
func processOf(pid int) process {
	start, _ := startOf(pid)
	return process{pid, start}
}

// parentOf is our parent, if accept says of its arguments that it is the one we
// expect: whoever outlives his parent has another.
func parentOf(accept func(args []string) bool) process {
	p := processOf(os.Getppid())
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	if err != nil || os.Getppid() != p.pid || !accept(strings.Split(string(line), "\x00")) {
		return process{}
	}
	return p
}

func startOf(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])) // from the third field on
	if len(f) < 20 {
		return 0, fmt.Errorf("process %d: a stat of %d fields", pid, len(f))
	}
	return strconv.ParseUint(f[19], 10, 64)
}

// hold opens the process, ESRCH if it has ended: one that its parent has not
// asked about yet, too. sure is false if its start can't be compared.
func (p process) hold() (fd int, sure bool, err error) {
	if p.pid <= 0 {
		return -1, false, unix.ESRCH
	}
	if fd, err = unix.PidfdOpen(p.pid, 0); err != nil {
		return -1, false, err
	}
	start, err := startOf(p.pid)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, _ := unix.Poll(poll, 0)
	// What has not ended by now had the number while its start was read.
	if n > 0 || err == nil && p.start != 0 && start != p.start {
		unix.Close(fd)
		return -1, false, unix.ESRCH
	}
	return fd, err == nil && p.start != 0, nil
}

// alive reports whether the process has not ended; in doubt it has not. sure is
// false if that is told by its number only.
func (p process) alive() (is, sure bool) {
	fd, sure, err := p.hold()
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) { // no process, or another's thread
		return false, true
	}
	if err != nil {
		return true, false
	}
	unix.Close(fd)
	return true, sure
}

func (p process) lives() bool {
	is, _ := p.alive()
	return is
}

// errStranger is a process that may be another than the one that is meant.
var errStranger = errors.New("the process may be another by now")

// signal reaches this process or none. One whose start is not known gets none.
func (p process) signal(sig unix.Signal) error {
	fd, sure, err := p.hold()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !sure {
		return errStranger
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}
