// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// TestStopWaitsForUsers: told to stop, a daemon waits for the users of its
// device, names them, and goes when they have gone, when the time is up, or when
// somebody forces it.
func TestStopWaitsForUsers(t *testing.T) {
	for _, c := range []struct {
		name  string
		wait  time.Duration
		gone  time.Duration // the users go after this; 0: never
		force time.Duration // del --force comes after this; 0: never
		least time.Duration
		says  string
	}{
		{"nobody", time.Hour, time.Nanosecond, 0, 0, ""},
		{"they go", time.Hour, 500 * time.Millisecond, 0, 500 * time.Millisecond, ""},
		{"they stay", 600 * time.Millisecond, 0, 0, 600 * time.Millisecond, "stopping a device in use.*mounted at /mnt"},
		{"no wait", 0, 0, 0, 0, "stopping a device in use"},
		{"forced", time.Hour, 0, 300 * time.Millisecond, 300 * time.Millisecond, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.daemon(RecoveryOff)
			var log bytes.Buffer
			d.log = logrus.New()
			d.log.SetOutput(&log)
			d.cfg.StopWait = c.wait
			var began time.Time
			d.users = func(uint32) []string {
				if c.gone != 0 && time.Since(began) >= c.gone {
					return nil
				}
				return []string{"mounted at /mnt"}
			}
			ctx, cancel := context.WithCancel(t.Context())
			up := make(chan Record)
			ended := make(chan error)
			go func() { ended <- d.serve(ctx, func(r Record) { up <- r }) }()
			id := (<-up).ID
			must(t, "write", w.write(d, testZone, pattern(1, 8192))) // its queue has begun
			began = time.Now()
			cancel()
			if c.force != 0 {
				time.Sleep(c.force)
				if _, err := askStop(w.run, id, stopping{force: true}); err != nil {
					t.Error(err)
				}
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took < c.least || took > time.Minute {
				t.Errorf("took %v", took)
			}
			if text := log.String(); c.says == "" && strings.Contains(text, "level=error") || !regexp.MustCompile(c.says).MatchString(text) {
				t.Errorf("log:\n%s", text)
			}
		})
	}
}

// A hand-over goes on without waiting: nobody loses the device.
func TestHandOverWaitsForNoUsers(t *testing.T) {
	w := newWorld(t)
	d := w.daemon(RecoveryReissue)
	d.cfg.StopWait = time.Hour
	d.cfg.NextComes = func() bool { return true }
	d.users = func(uint32) []string { return []string{"mounted at /mnt"} }
	ctx, cancel := context.WithCancel(t.Context())
	up := make(chan Record)
	ended := make(chan error)
	go func() { ended <- d.serve(ctx, func(r Record) { up <- r }) }()
	<-up
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, ErrHandOver) {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
	w.kill(d)
	w.down(w.up(RecoveryReissue))
}

// safeDriver has TRY_STOP_DEV.
type safeDriver struct {
	driver
	busy atomic.Bool
}

func (s *safeDriver) TryStopDevice(id uint32) error {
	if s.busy.Load() {
		return unix.EBUSY
	}
	return s.StopDevice(id)
}

// Where the driver can stop a device only if nobody has it open, whoever opens
// it behind del's back is safe.
func TestStopRefusedByTheDriver(t *testing.T) {
	w := newWorld(t)
	safe := &safeDriver{driver: w.driver}
	safe.busy.Store(true)
	d := w.daemon(RecoveryOff)
	d.open = func() (driver, error) { return safe, nil }
	d.users = func(uint32) []string { return nil }
	if err := d.bringUp(); err != nil {
		t.Fatal(err)
	}
	d.info.Flags |= ublk.FeatureSafeStop
	_, err := askStop(w.run, d.info.ID, stopping{})
	var held *HeldError
	if !errors.As(err, &held) || !strings.Contains(err.Error(), "opened just now") {
		t.Errorf("in use: %v", err)
	}
	select {
	case <-d.stopping:
		t.Error("it stops all the same")
	default:
	}
	safe.busy.Store(false)
	if _, err := askStop(w.run, d.info.ID, stopping{}); err != nil {
		t.Error(err)
	}
	<-d.stopping
	w.down(d)
}

// Who has a file open, and who has mounted something, is found by any path that
// the caller knows it by.
func TestUsersOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{f}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	names := openersOf(func(p string) bool { return p == path })
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "(sleep)") }) {
		t.Errorf("open in %v", names)
	}
	mounts := mountsFrom(func(source string) bool { return source == "proc" })
	if !slices.Contains(mounts, "mounted at /proc") {
		t.Errorf("proc: %v", mounts)
	}
}
