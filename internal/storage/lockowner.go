// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/internal/printable"
)

// InUseError says who keeps us from using an image. errors.Is finds ErrInUse.
type InUseError struct {
	Path   string
	PID    int    // 0 if unknown
	Holder string // name of the process, or of what else holds the image
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("%s is already in use by %s; stop that first", e.Path, e.who())
}

func (e *InUseError) who() string {
	switch {
	case e.PID != 0 && e.Holder != "":
		return fmt.Sprintf("process %d (%s)", e.PID, e.Holder)
	case e.PID != 0:
		return fmt.Sprintf("process %d", e.PID)
	case e.Holder != "":
		return e.Holder
	}
	return "another process (of another user or container: look as root)"
}

// Is makes errors.Is(err, ErrInUse) true.
func (e *InUseError) Is(target error) bool { return target == ErrInUse }

// inUse builds the error for a conflict at a lock byte of fd.
func inUse(path string, fd int, at int64) error {
	e := &InUseError{Path: path}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		e.PID = lockHolder(fd, st.Ino, at)
	}
	if e.PID != 0 {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", e.PID))
		e.Holder = printable.Text(strings.TrimSpace(string(comm)))
	}
	return e
}

// lockHolder finds the process that has a lock on a byte of fd's file, 0 if
// none is visible. The kernel doesn't tell the owner of such a lock, but
// /proc/PID/fdinfo shows the locks of each descriptor.
func lockHolder(fd int, ino uint64, at int64) int {
	infos, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	self := fmt.Sprintf("/proc/%d/fdinfo/%d", os.Getpid(), fd)
	for _, info := range infos {
		if info != self && showsLock(info, ino, at) && leadsTo(info, fd) {
			pid, _ := strconv.Atoi(strings.Split(info, "/")[2])
			return pid
		}
	}
	return 0
}

// leadsTo compares files, since inode numbers repeat across file systems.
func leadsTo(info string, fd int) bool {
	var theirs, ours unix.Stat_t
	link := strings.Replace(info, "/fdinfo/", "/fd/", 1)
	if unix.Stat(link, &theirs) != nil || unix.Fstat(fd, &ours) != nil {
		return false
	}
	return theirs.Dev == ours.Dev && theirs.Ino == ours.Ino
}

func showsLock(info string, ino uint64, at int64) bool {
	file, err := os.Open(info)
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if l, ok := parseLock(lines.Text()); ok && l.ino == ino && l.first <= at && at <= l.last {
			return true
		}
	}
	return false
}

// heldLock is one lock of a descriptor: inode and byte range, last included.
type heldLock struct {
	ino         uint64
	first, last int64
}

// parseLock reads a line of fdinfo such as
// "lock:	1: OFDLCK  ADVISORY  READ -1 fe:00:1234 100 101".
func parseLock(line string) (l heldLock, ok bool) {
	w := strings.Fields(line)
	if len(w) != 9 || w[0] != "lock:" {
		return l, false
	}
	dev := strings.Split(w[6], ":")
	ino, err := strconv.ParseUint(dev[len(dev)-1], 10, 64)
	if err != nil {
		return l, false
	}
	l.ino = ino
	if l.first, err = strconv.ParseInt(w[7], 10, 64); err != nil {
		return l, false
	}
	if w[8] == "EOF" {
		l.last = 1<<63 - 1
		return l, true
	}
	l.last, err = strconv.ParseInt(w[8], 10, 64)
	return l, err == nil
}
