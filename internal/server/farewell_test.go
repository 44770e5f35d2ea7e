// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

// Who tells a daemon to stop hears whether the image could be closed in order; a
// daemon that could not has not died, it must not be brought back.
func TestFarewell(t *testing.T) {
	for _, c := range []struct {
		name string
		fail bool
	}{{"in order", false}, {"the last flush fails", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.daemon(RecoveryOff)
			up := make(chan Record)
			ended := make(chan error)
			go func() { ended <- d.serve(t.Context(), func(r Record) { up <- r }) }()
			r := <-up
			must(t, "write", w.write(d, testZone, pattern(1, 8192)))
			if c.fail {
				takeAway(t, d.disk.File())
			}
			last, err := askStop(w.run, r.ID, stopping{})
			if err != nil {
				t.Fatal(err)
			}
			err = <-ended
			if errors.Is(err, ErrUnclean) != c.fail {
				t.Errorf("serve: %v", err)
			}
			heard := last.hear(r)
			switch {
			case !c.fail && heard != nil:
				t.Errorf("heard %v", heard)
			case c.fail && (heard == nil || !strings.Contains(heard.Error(), "/dev/ublkb0 is gone: ") || !strings.Contains(heard.Error(), err.Error())):
				t.Errorf("heard %v, it ended with %v", heard, err)
			}
		})
	}
}

// takeAway makes a file's descriptors those of something that nothing can be written to, and
// gives its locks up: a worker may be using them, so the file can't be closed.
func takeAway(t testing.TB, f storage.File) {
	t.Helper()
	folder, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for _, fd := range []int{f.Fd(), f.DirectFd()} {
		if fd < 0 {
			continue
		}
		unlock := &unix.Flock_t{Type: unix.F_UNLCK}
		if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, unlock); err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(int(folder.Fd()), fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
}
