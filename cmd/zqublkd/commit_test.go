// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// diskOf is what an image reads as, through its chain.
func diskOf(t *testing.T, path string) []byte {
	t.Helper()
	o, err := imagefile.Open(path, imagefile.Options{Options: storage.Options{ReadOnly: true}, AllowBacking: true})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, o.Image.VirtualSize())
	if err := errors.Join(o.Image.ReadAt(b, 0), o.Image.Close(), o.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCommitKilled kills commits at any moment: both images open, the overlay reads as
// before, and a commit that is left alone completes it.
func TestCommitKilled(t *testing.T) {
	for name, options := range map[string]string{"plain": "size=64M", "zoned": "size=64M,zone.mode=host-managed,zone.size=4M"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			base, top := filepath.Join(dir, "base"), filepath.Join(dir, "top")
			mustRun(t, "create", "-q", "-o", options, base)
			mustRun(t, "create", "-q", "-b", "base", top)
			o, err := imagefile.Open(top, imagefile.Options{AllowBacking: true})
			if err != nil {
				t.Fatal(err)
			}
			for z := range uint64(14) {
				err = errors.Join(err, o.Image.WriteAt(bytes.Repeat([]byte{byte(z + 1)}, 3<<20), z*4<<20))
				if o.Image.Zoned() != nil {
					err = errors.Join(err, o.Image.WriteZoneSlots([]format.ZoneSlot{{Zone: uint32(z), WP: z*4<<20 + 3<<20}}))
				}
			}
			if err := errors.Join(err, o.Image.Close(), o.Close()); err != nil {
				t.Fatal(err)
			}
			want, killed := diskOf(t, top), 0
			for k := range 12 {
				cmd := exec.Command(os.Args[0], "commit", "-q", "--allow-backing", top)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(5+12*k) * time.Millisecond)
				_ = cmd.Process.Signal(unix.SIGKILL) // it may have ended
				if cmd.Wait() != nil {
					killed++
				}
				for _, image := range []string{base, top} {
					if text, err := run("check", image); err != nil && exitCode(err) != 3 {
						t.Fatalf("after %d kills: %s: %v %s", killed, image, err, text)
					}
				}
				if !bytes.Equal(diskOf(t, top), want) {
					t.Fatalf("after %d kills the overlay reads something else", killed)
				}
			}
			mustRun(t, "commit", "-q", "--allow-backing", top)
			if !bytes.Equal(diskOf(t, base), want) || !bytes.Equal(diskOf(t, top), want) {
				t.Fatal("another commit has not completed it")
			}
			mustRun(t, "check", base)
			mustRun(t, "check", top)
			t.Logf("%d kills", killed)
		})
	}
}
