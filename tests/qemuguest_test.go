// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/needs"
)

// TestGuestRecipe: QEMU takes the options of the cookbook's guest, and gives it the disk. Here a
// file stands for the device, and the guest is not started.
func TestGuestRecipe(t *testing.T) {
	needs.Programs(t, "qemu-system-x86", "qemu-system-x86_64")
	page, err := os.ReadFile("../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```\n(qemu-system-x86_64 .*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("no recipe")
	}
	command := string(m[1])
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"host_device,", "file,"}, {"/dev/ublkb7", disk}, {"cache.direct=on", "cache.direct=off"},
		{" -enable-kvm", ""}, {` -kernel bzImage -append "console=ttyS0"`, " -S -serial none -monitor none -qmp stdio"},
		{"-m 2G", "-m 64M"},
	} {
		if !strings.Contains(command, change[0]) {
			t.Fatalf("no %q in %s", change[0], command)
		}
		command = strings.Replace(command, change[0], change[1], 1)
	}
	cmd := exec.Command("bash", "-c", command)
	cmd.Stdin = strings.NewReader(`{"execute": "qmp_capabilities"} {"execute": "query-block"} {"execute": "quit"}`)
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"node-name": "zoned"`) || !strings.Contains(string(out), "virtio-backend") {
		t.Errorf("%s: %v: %s", command, err, out)
	}
}
