// SPDX-License-Identifier: Apache-2.0

package background

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// hardened marks a process that has been through Harden.
const hardened = "ZQUBLKD_HARDENED"

// Harden makes this process fit to serve a disk that the machine itself may
// write its dirty pages to, and starts the program anew, so that every thread
// has it from the start:
//
//   - its memory allocations never wait for block I/O, which might be its own
//     (PR_SET_IO_FLUSHER, prctl(2));
//   - the kernel does not kill it to get memory;
//   - it holds no reference to file systems mounted later, one of which may lie
//     on its disk (a mount namespace of its own, that still sees new mounts). Where the root
//     is private, nothing would reach that namespace, and what is unmounted outside would stay
//     in use inside: there it has none.
//
// What this machine does not allow is done without.
func Harden() error {
	if os.Getenv(hardened) != "" {
		return os.Unsetenv(hardened)
	}
	runtime.LockOSThread()
	warn("PR_SET_IO_FLUSHER", unix.Prctl(unix.PR_SET_IO_FLUSHER, 1, 0, 0, 0))
	warn("oom_score_adj", os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0))
	warn("mount namespace", ownMounts())
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return fmt.Errorf("restart: %w", unix.Exec(self, os.Args, append(os.Environ(), hardened+"=1")))
}

// ownMounts gives the calling thread a mount namespace into which the mounts
// of the old one still propagate, but not the other way round.
func ownMounts() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if !propagates(string(mounts)) {
		return errors.New("the root directory is mounted private")
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
}

// propagates reports whether what is mounted and unmounted outside reaches a copy of the
// root directory's mount: it is shared, or a slave of one that is (mountinfo in proc(5)).
func propagates(mountinfo string) bool {
	reaches := false
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 7 || fields[4] != "/" {
			continue
		}
		reaches = false // the last one mounted there is on top
		for _, f := range fields[6:] {
			if f == "-" {
				break
			}
			reaches = reaches || strings.HasPrefix(f, "shared:") || strings.HasPrefix(f, "master:")
		}
	}
	return reaches
}

func warn(what string, err error) {
	if err != nil {
		logrus.WithError(err).Debugf("this process goes on without %s", what)
	}
}
