// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// undoing simulates the kernel, which puts its default scheduler back n times.
func undoing(t *testing.T, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "scheduler")
	must(t, os.WriteFile(path, []byte("none [mq-deadline] kyber\n"), 0o600))
	stop, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-ended })
	go func() {
		defer close(ended)
		for n != 0 {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			if b, err := os.ReadFile(path); err == nil && string(b) == "none" {
				n--
				time.Sleep(15 * time.Millisecond)
				os.WriteFile(path, []byte("none [mq-deadline] kyber\n"), 0o600)
			}
		}
	}()
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSetScheduler(t *testing.T) {
	for _, undone := range []int{0, 1, 3} {
		path := undoing(t, undone)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		must(t, setScheduler(ctx, path, "none"))
		if s, err := activeScheduler(path); err != nil || s != "none" {
			t.Errorf("undone %d times: scheduler is %q, %v", undone, s, err)
		}
	}
}

func TestSetSchedulerGivesUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := setScheduler(ctx, undoing(t, -1), "none"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("always undone: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := setScheduler(ctx, filepath.Join(t.TempDir(), "none"), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no disk: %v", err)
	}
}

func TestActiveScheduler(t *testing.T) {
	for contents, want := range map[string]string{"[none] mq-deadline\n": "none", "none mq-deadline [kyber]\n": "kyber", "none\n": "none", "": ""} {
		path := filepath.Join(t.TempDir(), "scheduler")
		must(t, os.WriteFile(path, []byte(contents), 0o600))
		if got, err := activeScheduler(path); err != nil || got != want {
			t.Errorf("%q: %q, %v", contents, got, err)
		}
	}
}

func TestListDevices(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ublkc10", "ublkc2", "ublkc0", "ublkcx", "other"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	ids, err := listDevices(dir)
	must(t, err)
	if !slices.Equal(ids, []uint32{0, 2, 10}) {
		t.Errorf("devices %v", ids)
	}
	if ids, err := listDevices(filepath.Join(dir, "no")); err != nil || ids != nil {
		t.Errorf("without the driver: %v, %v", ids, err)
	}
}

func TestWaitForDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := WaitForDisk(ctx, 1<<20-1)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/dev/ublkb1048575") {
		t.Errorf("no disk: %v", err)
	}
}

func TestOpenDeviceRefusals(t *testing.T) {
	defer func(d time.Duration) { openPatience = d }(openPatience)
	openPatience = 50 * time.Millisecond
	good := DevInfo{ID: 1<<20 - 1, Queues: 1, Depth: 1, Flags: FeatureUserCopy}
	if _, err := OpenDevice(good); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no node: %v", err)
	}
	for name, change := range map[string]func(*DevInfo){
		"no queue": func(d *DevInfo) { d.Queues = 0 }, "no tag": func(d *DevInfo) { d.Depth = 0 },
		"no user copy": func(d *DevInfo) { d.Flags = 0 }, "long descriptors": func(d *DevInfo) { d.DescBytes = 64 },
	} {
		info := good
		change(&info)
		if _, err := OpenDevice(info); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProcs(t *testing.T) {
	if ProcsFor(2) != 4 {
		t.Errorf("2 queues need %d processors", ProcsFor(2))
	}
	before := EnsureProcs(0)
	if now := EnsureProcs(before); now != before+spareProcs {
		t.Errorf("%d processors became %d", before, now)
	}
	if again := EnsureProcs(0); again != before+spareProcs {
		t.Errorf("processors were taken away: %d", again)
	}
}

// TestOwnThread runs enough at once that some goroutine starts on the first thread.
func TestOwnThread(t *testing.T) {
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			done := make(chan int)
			go onOwnThread(func() { done <- unix.Gettid() })
			if tid := <-done; tid == unix.Getpid() {
				t.Error("a queue's thread is the first one of the process")
			}
		})
	}
	wg.Wait()
}
