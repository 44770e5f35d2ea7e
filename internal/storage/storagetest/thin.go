// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

// Thin is a file system on a loop device whose storage has less room than it
// says: writeback fails when that runs out, in the background or when somebody
// syncs.
type Thin struct {
	Dir string // where it is mounted

	t           testing.TB
	store, loop string
}

// NewThin makes one of 128 MiB on 64. It takes root, and a machine that has loop
// devices.
func NewThin(t testing.TB) *Thin {
	t.Helper()
	needs.Root(t, "to mount")
	dir := t.TempDir()
	h := &Thin{t: t, Dir: filepath.Join(dir, "mount"), store: filepath.Join(dir, "store")}
	h.run("mkdir %s %s && mount -t tmpfs -o size=64m tmpfs %s", h.Dir, h.store, h.store)
	t.Cleanup(func() { h.run("umount -l %s", h.store) })
	h.run("truncate -s 128M %s/back && mkfs.ext4 -q -F -O ^has_journal -b 4096 -N 64 -E lazy_itable_init=0 %s/back", h.store, h.store)
	h.loop = h.run("losetup -f --show %s/back", h.store)
	t.Cleanup(func() { h.run("losetup -d %s", h.loop) })
	h.run("mount %s %s", h.loop, h.Dir)
	t.Cleanup(h.unmount)
	return h
}

func (h *Thin) run(format string, args ...any) string {
	h.t.Helper()
	cmd := fmt.Sprintf(format, args...)
	out, err := exec.Command("sh", "-c", cmd).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Trim gives the storage back what no file has.
func (h *Thin) Trim() { h.run("sync -f %s && fstrim %s", h.Dir, h.Dir) }

// Fill leaves room for n bytes.
func (h *Thin) Fill(n int64) {
	h.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(h.store, &st); err != nil {
		h.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(h.store, "filler"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, zeroReader{}, int64(st.Bavail)*st.Bsize-n); err != nil {
		h.t.Fatal(err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Room gives the storage room again.
func (h *Thin) Room() { os.Remove(filepath.Join(h.store, "filler")) }

// Reboot drops what memory holds of the file system.
func (h *Thin) Reboot() {
	h.unmount()
	h.run("mount %s %s", h.loop, h.Dir)
}

// unmount waits for what the kernel lets go of after a file is closed: rings do.
func (h *Thin) unmount() {
	h.t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		err := unix.Unmount(h.Dir, 0)
		if err == nil {
			return
		}
		if err != unix.EBUSY || time.Now().After(end) {
			h.t.Fatalf("umount %s: %v", h.Dir, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// SyncFails syncs a file of it as another program does, and fails the test unless that
// is told of lost writes: nobody else will be.
func (h *Thin) SyncFails(path string) {
	h.t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Fdatasync(fd); err == nil {
		h.t.Fatal("storage without room takes everything")
	}
}
