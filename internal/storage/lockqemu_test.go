// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

// qemuImage is an image that QEMU made, and another name of its file.
func qemuImage(t *testing.T) (path, link string) {
	t.Helper()
	needs.Programs(t, "qemu-utils", "qemu-img", "qemu-io", "qemu-nbd")
	dir := t.TempDir()
	path, link = filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "link.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", path, "1M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	return path, link
}

// qemuRefuses reports whether QEMU's tools are kept from an image by its lock:
// from writing it, and from reading it.
func qemuRefuses(t *testing.T, path string) (writing, reading bool) {
	t.Helper()
	refused := func(args ...string) bool {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "lock") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
		return err != nil
	}
	writing = refused("qemu-io", "-f", "qcow2", "-c", "write 0 512", path)
	if w := refused("qemu-img", "resize", "-q", "-f", "qcow2", path, "1M"); w != writing {
		t.Errorf("qemu-io may write: %v, qemu-img: %v", !writing, !w)
	}
	reading = refused("qemu-img", "check", "-q", "-f", "qcow2", path)
	if refused("qemu-img", "info", "-U", path) {
		t.Error("qemu-img info -U is refused")
	}
	return writing, reading
}

// TestLocksOursAgainstQEMU: what we hold, QEMU sees by every name of the file,
// until we die and again when the next of us has it.
func TestLocksOursAgainstQEMU(t *testing.T) {
	for _, mode := range []string{"writer", "reader"} {
		t.Run(mode, func(t *testing.T) {
			path, link := qemuImage(t)
			for range 2 { // the second takes over from one that was killed
				pid, release := hold(t, path, mode)
				for _, name := range []string{path, link} {
					if w, r := qemuRefuses(t, name); !w || r != (mode == "writer") {
						t.Errorf("%s: QEMU is kept from writing: %v, reading: %v", filepath.Base(name), w, r)
					}
				}
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				release()
				if w, r := qemuRefuses(t, link); w || r {
					t.Errorf("after our death QEMU is kept from writing: %v, reading: %v", w, r)
				}
			}
			// Another file under the name is another image.
			_, _ = hold(t, path, mode)
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", path, "1M").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if w, r := qemuRefuses(t, path); w || r {
				t.Errorf("another file under the name: writing refused: %v, reading: %v", w, r)
			}
			if w, _ := qemuRefuses(t, path+".old"); !w {
				t.Error("the renamed image is not locked any more")
			}
		})
	}
}

// TestLocksQEMUsAgainstOurs: what QEMU serves we don't touch, by whatever name,
// until it dies.
func TestLocksQEMUsAgainstOurs(t *testing.T) {
	for mode, flags := range map[string][]string{"writer": nil, "reader": {"-r"}} {
		t.Run(mode, func(t *testing.T) {
			path, link := qemuImage(t)
			socket := filepath.Join(t.TempDir(), "nbd")
			nbd := exec.Command("qemu-nbd", append(flags, "-f", "qcow2", "-t", "-k", socket, path)...)
			if err := nbd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nbd.Process.Kill(); nbd.Wait() })
			// It listens before it has the image, but answers only then.
			answers := func() error { return exec.Command("qemu-img", "info", "nbd+unix:///?socket="+socket).Run() }
			for end := time.Now().Add(time.Minute); answers() != nil; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("qemu-nbd does not answer")
				}
			}
			checkConflict(t, link, Options{}, true, nbd.Process.Pid)
			checkConflict(t, link, Options{ReadOnly: true}, mode == "writer", nbd.Process.Pid)
			checkConflict(t, link, Options{ReadOnly: true, NoLock: true}, false, 0)
			if _, err := NewDraft(link, true); !errors.Is(err, ErrInUse) {
				t.Errorf("replaced what QEMU serves: %v", err)
			}
			if err := nbd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			nbd.Wait()
			checkConflict(t, path, Options{}, false, 0)
		})
	}
}
