// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zqublkd/internal/needs"
	"zqublkd/qcow2/format"
)

// needsDevice is what examples say that work on a device; the scenario commands runs those.
var needsDevice = regexp.MustCompile(`/dev/|zqublkd (add|del|fault|list|top|share|unshare)\b|^nvme `)

// TestExamples runs the examples of all --help that need no device, as they are written. Each has
// a folder for itself, with what it speaks of in it.
func TestExamples(t *testing.T) {
	needs.Programs(t, "zstd", "zstd")
	needs.Programs(t, "qemu-utils", "qemu-io")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "zqublkd")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, s := range ofHelp(newRoot()) {
		if !s.whole || needsDevice.MatchString(s.text) {
			continue
		}
		ran++
		t.Run(s.text, func(t *testing.T) {
			t.Chdir(t.TempDir())
			exampleFiles(t, s.text)
			cmd := exec.Command("bash", "-c", "set -o pipefail; "+s.text)
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			lost := strings.Contains(s.text, " salvage ") && cmd.ProcessState.ExitCode() == exitFailed // as it should
			if err != nil && !lost {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if ran < 25 {
		t.Errorf("only %d examples", ran)
	}
}

// exampleFiles makes what an example speaks of, but for what it makes itself.
func exampleFiles(t *testing.T, text string) {
	t.Helper()
	makes := strings.Contains(text, "zqublkd create")
	mustRun(t, "create", "-q", "-o", "size=128M,zone.mode=host-managed,zone.size=4M", "golden.qcow2")
	if !makes {
		size := "512M,zone.size=8M"
		if strings.Contains(text, "zqublkd resize") {
			size = "8G,zone.size=64M"
		}
		mustRun(t, "create", "-q", "-o", "zone.mode=host-managed,size="+size, "disk.qcow2")
		mustRun(t, "create", "-q", "-b", "golden.qcow2", "overlay.qcow2")
	}
	if makes || strings.Contains(text, "zqublkd export") {
		return
	}
	mustRun(t, "create", "-q", "plain.qcow2", "64M")
	if !strings.Contains(text, "snapshot create") {
		mustRun(t, "snapshot", "create", "-q", "plain.qcow2", "before-upgrade")
	}
	if strings.Contains(text, "broken.qcow2") {
		if out, err := exec.Command("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", "plain.qcow2").CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		b, err := os.ReadFile("plain.qcow2")
		if err != nil {
			t.Fatal(err)
		}
		be := binary.BigEndian // the first table that the map of the disk has is no table any more
		at := be.Uint64(b[be.Uint64(b[40:]):]) & format.OffsetMask
		copy(b[at:], bytes.Repeat([]byte{0xff}, 512))
		if err := os.WriteFile("broken.qcow2", b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
