// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sysPause is the time between two looks at sysfs or /dev.
const sysPause = 10 * time.Millisecond

// WaitForDisk waits until the disk of device id is there as a block node (udev may take its time),
// or ctx ends.
func WaitForDisk(ctx context.Context, id uint32) error {
	path := BlockPath(id)
	for {
		var st unix.Stat_t
		err := unix.Stat(path, &st)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			return nil
		}
		if err == nil {
			err = errors.New("not a block device")
		}
		if !pause(ctx) {
			return fmt.Errorf("wait for %s: %w (%w)", path, context.Cause(ctx), err)
		}
	}
}

// pause sleeps a little; false means that ctx has ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(sysPause):
		return true
	}
}

// schedulerHolds is how many looks in a row must find the scheduler in force before SetScheduler
// believes it.
const schedulerHolds = 5

// SetScheduler gives the disk an I/O scheduler and returns when it has stayed in force for a while.
// The kernel chooses its own default some time after the disk has appeared, which undoes a choice
// made too early: call it after START_DEV returned, with a ctx that ends. A disk with one queue
// gets mq-deadline by default, which costs much speed on Linux 7.3; "none" is best.
func SetScheduler(ctx context.Context, id uint32, name string) error {
	return setScheduler(ctx, filepath.Join(SysPath(id), "queue", "scheduler"), name)
}

func setScheduler(ctx context.Context, path, name string) error {
	var err error
	for held := 0; held < schedulerHolds; {
		var now string
		if now, err = activeScheduler(path); err == nil && now == name {
			held++
		} else if held = 0; err == nil {
			err = os.WriteFile(path, []byte(name), 0)
		}
		if !pause(ctx) {
			return fmt.Errorf("set scheduler %q (%s): %w", name, path, errors.Join(context.Cause(ctx), err))
		}
	}
	return nil
}

// activeScheduler reads which scheduler is in force: the one in brackets.
func activeScheduler(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for _, f := range strings.Fields(string(b)) {
		if strings.HasPrefix(f, "[") {
			return strings.Trim(f, "[]"), nil
		}
	}
	return strings.TrimSpace(string(b)), nil
}

// DiskBytes is how large the kernel takes the disk to be.
func DiskBytes(id uint32) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(SysPath(id), "size"))
	if err != nil {
		return 0, err
	}
	sectors, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return sectors * SectorBytes, err
}

// charClass is where the driver lists its devices, started or not.
const charClass = "/sys/class/ublk-char"

// ListDevices returns the numbers of all ublk devices, in order. Without the driver there are none.
func ListDevices() ([]uint32, error) { return listDevices(charClass) }

func listDevices(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []uint32
	for _, e := range entries {
		if n, err := strconv.ParseUint(strings.TrimPrefix(e.Name(), "ublkc"), 10, 32); err == nil {
			ids = append(ids, uint32(n))
		}
	}
	slices.Sort(ids)
	return ids, nil
}
