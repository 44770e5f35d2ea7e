// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestErrorTexts(t *testing.T) {
	for _, c := range []struct {
		err  error
		is   error
		want string
	}{
		{&CommandError{Cmd: "ADD_DEV", ID: 7, Cause: syscall.EEXIST}, syscall.EEXIST, "ublk ADD_DEV of device 7: file exists: the number is taken, choose another or let the driver choose"},
		{&CommandError{Cmd: "GET_FEATURES", ID: anyID, Cause: syscall.EOPNOTSUPP}, syscall.EOPNOTSUPP, "ublk GET_FEATURES: operation not supported: this kernel's driver does not know the command"},
		{&CommandError{Cmd: "DEL_DEV", ID: 1, Cause: ErrTimeout, Stuck: true}, ErrTimeout, "ublk DEL_DEV of device 1: the driver did not answer in time: it could not be cancelled"},
		{&CommandError{Cmd: "STOP_DEV", ID: 1, Cause: syscall.EINTR}, syscall.EINTR, "ublk STOP_DEV of device 1: interrupted system call"},
		{&QueueError{Queue: 1, Tag: 3, What: "fetch", Errno: syscall.EINVAL}, syscall.EINVAL, "ublk queue 1 tag 3: fetch: invalid argument"},
		{&QueueError{Queue: 1, Tag: -1, What: "enter", Errno: syscall.EBADF}, syscall.EBADF, "ublk queue 1: enter: bad file descriptor"},
		{&MissingFeaturesError{Missing: FeatureZoned, Granted: FeatureUserCopy}, nil, "this kernel's ublk driver lacks ZONED (it gave USER_COPY)"},
	} {
		if !strings.HasPrefix(c.err.Error(), c.want) {
			t.Errorf("got  %q\nwant %q", c.err, c.want)
		}
		if c.is != nil && !errors.Is(c.err, c.is) {
			t.Errorf("%q is not %v", c.err, c.is)
		}
		if strings.Contains(c.err.Error(), "\n") {
			t.Errorf("%q has several lines", c.err)
		}
	}
	if !IsNoDevice(&CommandError{Cmd: "GET_DEV_INFO", Cause: syscall.ENODEV}) || !IsBusy(&CommandError{Cause: syscall.EBUSY}) || IsBusy(ErrTimeout) {
		t.Error("IsNoDevice or IsBusy")
	}
}

// TestHintsNameCommands keeps the table of hints in step with the names.
func TestHintsNameCommands(t *testing.T) {
	known := map[string]bool{"": true}
	for _, name := range cmdNames {
		known[name] = true
	}
	for k := range hints {
		if !known[k.cmd] {
			t.Errorf("hint for %q", k.cmd)
		}
	}
}
