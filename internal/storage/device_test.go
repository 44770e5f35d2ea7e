// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

// loopDevice makes a block device of 8 MiB out of a file.
func loopDevice(t *testing.T) string {
	t.Helper()
	needs.Root(t, "to make block devices")
	back := filepath.Join(t.TempDir(), "back")
	if err := os.WriteFile(back, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", back).Output()
	if err != nil {
		t.Skipf("no loop device: %v", err)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "--detach", dev).Run() })
	return dev
}

func TestBlockDevice(t *testing.T) {
	dev := loopDevice(t)
	f, err := Open(dev, Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if size, err := f.Size(); size != 8<<20 || err != nil || !f.IsBlockDevice() {
		t.Errorf("size %d, %v", size, err)
	}
	mustWrite(t, f, "old bytes", 64<<10)
	if err := f.PunchHole(64<<10, 64<<10); err == nil {
		mustRead(t, f, 64<<10, strings.Repeat("\x00", 9))
	} else if !errors.Is(err, ErrNotSupported) {
		t.Errorf("punch: %v", err)
	}
	if err := f.PunchHole(3, 5); !errors.Is(err, ErrNotSupported) {
		t.Errorf("punch inside a block: %v", err)
	}
	if err := f.Truncate(4 << 20); err != nil {
		t.Error(err)
	}
	if err := f.Truncate(8<<20 + 1); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("growing the device: %v", err)
	}
	if at, err := f.SeekData(1 << 20); at != 1<<20 || err != nil {
		t.Errorf("SeekData = %d, %v", at, err)
	}
	if err := f.Datasync(); err != nil {
		t.Error(err)
	}
}

func TestBlockDeviceClaimed(t *testing.T) {
	dev := loopDevice(t)
	fd, err := unix.Open(dev, unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := Open(dev, Options{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "kernel") {
		t.Errorf("a claimed device: %v", err)
	}
}
