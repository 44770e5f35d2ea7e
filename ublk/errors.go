// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"fmt"
	"syscall"

	"zqublkd/uring"
)

// What can keep a program from using the driver at all, and how a command can end without an
// answer.
var (
	ErrNoDriver        = errors.New("the ublk driver is not loaded (there is no " + ControlPath + "): run modprobe ublk_drv; if that finds no module, a kernel with it is needed, Linux 6.6 or newer")
	ErrPermission      = errors.New("no right to use " + ControlPath + ": run as root (CAP_SYS_ADMIN)")
	ErrIOUringDisabled = uring.ErrDisabled
	ErrTimeout         = errors.New("the driver did not answer in time")
	ErrClosed          = errors.New("the connection to the ublk driver is closed")
	ErrWrongThread     = errors.New("a ublk queue must run on the thread that made it: lock the goroutine to its thread before NewQueue")
)

// CommandError is a control command that failed. The errno is reachable with errors.Is, as is
// ErrTimeout.
type CommandError struct {
	Cmd   string // the driver's name of the command
	ID    uint32 // device; anyID if the command names none
	Cause error  // syscall.Errno or ErrTimeout
	Stuck bool   // with ErrTimeout: the command could not be cancelled either and is still in the kernel
}

// Error names the command, the device, and what the errno means for this command.
func (e *CommandError) Error() string {
	s := "ublk " + e.Cmd
	if e.ID != anyID {
		s += fmt.Sprintf(" of device %d", e.ID)
	}
	s += ": " + e.Cause.Error()
	if hint := e.hint(); hint != "" {
		s += ": " + hint
	}
	return s
}

// Unwrap gives the cause.
func (e *CommandError) Unwrap() error { return e.Cause }

// hint puts words to an errno whose meaning depends on the command.
func (e *CommandError) hint() string {
	if e.Stuck {
		return "it could not be cancelled and is still in the kernel; another command or a dead server may hold the driver's lock"
	}
	errno, ok := e.Cause.(syscall.Errno)
	if !ok {
		return ""
	}
	if h := hints[hintKey{e.Cmd, errno}]; h != "" {
		return h
	}
	return hints[hintKey{"", errno}]
}

// hintKey is a command's name, empty for all, and an errno.
type hintKey struct {
	cmd   string
	errno syscall.Errno
}

var hints = map[hintKey]string{
	{"", syscall.ENODEV}:     "there is no such device",
	{"", syscall.EPERM}:      "CAP_SYS_ADMIN is needed",
	{"", syscall.EOPNOTSUPP}: "this kernel's driver does not know the command",

	{"ADD_DEV", syscall.EEXIST}: "the number is taken, choose another or let the driver choose",
	{"ADD_DEV", syscall.EACCES}: "the driver's limit of devices is reached (module parameter ublks_max)",
	{"ADD_DEV", syscall.EINVAL}: "the driver refuses this combination of flags, queues (1-4096) and depth (1-4096)",

	{"SET_PARAMS", syscall.EACCES}: "the device is started; parameters are fixed until it is stopped",
	{"SET_PARAMS", syscall.EINVAL}: "the driver refuses these parameters",

	{"START_DEV", syscall.EINVAL}: "parameters are not set or not valid, or the process named does not serve the device",
	{"START_DEV", syscall.EEXIST}: "it is started already, or somebody still has the old disk open",
	{"START_DEV", syscall.EBUSY}:  "it was stopped and its char device not closed since: the server must open it anew",
	{"START_DEV", syscall.ENODEV}: "the kernel refused the zone report",
	{"START_DEV", syscall.EIO}:    "the server failed the zone report or died",
	{"START_DEV", syscall.ENOMEM}: "no memory, or a zoned disk without a single zone",

	{"START_USER_RECOVERY", syscall.EINVAL}: "the device was added without recovery",
	{"START_USER_RECOVERY", syscall.EBUSY}:  "its old server is not gone yet",
	{"END_USER_RECOVERY", syscall.EINVAL}:   "the process named does not serve the device",
	{"END_USER_RECOVERY", syscall.EBUSY}:    "the device is not waiting for recovery",
}

// MissingFeaturesError says that the kernel made a device without what was asked for; the device
// has been deleted again.
type MissingFeaturesError struct {
	Missing Features
	Granted Features
}

// Error names the features.
func (e *MissingFeaturesError) Error() string {
	return fmt.Sprintf("this kernel's ublk driver lacks %s (it gave %s): use a newer kernel or do without", e.Missing, e.Granted)
}

// QueueError is a command of a queue's tag that the driver refused, which it never should: the
// queue can't go on and the process should end, so that the driver takes the device back.
type QueueError struct {
	Queue int
	Tag   int // -1: the ring as a whole
	What  string
	Errno syscall.Errno
}

// Error names queue, tag and what failed.
func (e *QueueError) Error() string {
	if e.Tag < 0 {
		return fmt.Sprintf("ublk queue %d: %s: %v", e.Queue, e.What, e.Errno)
	}
	return fmt.Sprintf("ublk queue %d tag %d: %s: %v", e.Queue, e.Tag, e.What, e.Errno)
}

// Unwrap gives the errno.
func (e *QueueError) Unwrap() error { return e.Errno }
