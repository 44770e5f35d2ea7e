// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// rigStore is where the files of a run lie: a folder, and perhaps a block device
// that takes the place of the image file.
type rigStore struct {
	name   string
	dir    string
	device string
}

const rigStoreBytes = 320 << 20 // the least that mkfs.xfs takes is 300 MiB

// rigStores makes one of each kind: the file system of the temporary folder,
// tmpfs, and what only root can make.
func rigStores(t *testing.T) []rigStore {
	list := []rigStore{{name: "here", dir: t.TempDir()}}
	if os.Geteuid() != 0 {
		t.Log("not root: no stores on loop devices and tmpfs")
		return list
	}
	memory := mounted(t, "tmpfs", "none") // where the loop devices have their bytes, too
	list = append(list, rigStore{name: "tmpfs", dir: memory})
	for _, fs := range []string{"ext4", "xfs"} {
		dev := loopDisk(t, memory, rigStoreBytes)
		tool(t, "mkfs."+fs, "-q", dev)
		list = append(list, rigStore{name: fs, dir: mounted(t, fs, dev)})
	}
	for _, sector := range []int{512, 4096} {
		dev := loopDisk(t, memory, 64<<20, "--sector-size", fmt.Sprint(sector))
		list = append(list, rigStore{name: fmt.Sprint("device", sector), dir: t.TempDir(), device: dev})
	}
	return list
}

// tool runs a program that must succeed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%v: run `make deps`", err)
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// loopDisk is a block device of so many bytes, which lie in a file in dir.
func loopDisk(t testing.TB, dir string, bytes int64, options ...string) string {
	t.Helper()
	back, err := os.CreateTemp(dir, "disk-")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(back.Truncate(bytes), back.Close()); err != nil {
		t.Fatal(err)
	}
	dev := tool(t, "losetup", append(options, "--find", "--show", back.Name())...)
	t.Cleanup(func() { tool(t, "losetup", "--detach", dev) })
	return dev
}

// mounted is a folder with a file system mounted there.
func mounted(t testing.TB, fs, dev string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(dev, dir, fs, 0, ""); err != nil {
		t.Fatalf("mount %s: %v", fs, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", fs, err)
		}
	})
	return dir
}

// forgetCache makes the kernel read a file from its disk again: a page of the
// cache that differs would hide what the disk has.
func forgetCache(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeDevice != 0 {
		if err := unix.IoctlSetInt(int(f.Fd()), unix.BLKFLSBUF, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// clear empties the device of the store, if it has one: what is there would be
// the contents of a raw data file.
func (s rigStore) clear(t testing.TB) {
	t.Helper()
	if s.device == "" {
		return
	}
	f, err := os.OpenFile(s.device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size)
	}
	if err != nil {
		t.Fatal(err)
	}
}
