// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestC27_BenchRefuses: what can't be measured gets a reason, and the flags that
// reasons name are there.
func TestC27_BenchRefuses(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "disk.qcow2")
	mustRun(t, "create", "--size", "1M", image)
	for _, c := range []struct{ flags, says string }{
		{"--cache x", "--cache"}, {"--block 4294971392", "--block"}, {"--block 1G", "at most"}, {"--block 0", "multiple of 512"},
	} {
		_, err := run(append([]string{"bench", image}, strings.Fields(c.flags)...)...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("bench %s: %v, want %q", c.flags, err, c.says)
		}
	}
	for _, flag := range []string{"allow-backing", "allow-data-file"} {
		if newBench().Flags().Lookup(flag) == nil {
			t.Errorf("bench has no --%s, which the refusal of an image advises", flag)
		}
	}
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Log("qemu-img is not installed: no disk of size 0")
		return
	}
	empty := filepath.Join(dir, "empty.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", empty, "0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := run("bench", "--count", "1", empty); err == nil || !strings.Contains(err.Error(), "virtual size 0") {
		t.Errorf("bench of a disk of size 0: %v", err)
	}
}

// TestC29_PlainImagesHaveQEMUsBlocks: a plain image has blocks of 512 unless
// asked otherwise, which is then said, and kept by an export.
func TestC29_PlainImagesHaveQEMUsBlocks(t *testing.T) {
	dir := t.TempDir()
	plain, large, out := filepath.Join(dir, "plain"), filepath.Join(dir, "large"), filepath.Join(dir, "out")
	if said := mustRun(t, "create", "-o", "size=1M", plain); !strings.Contains(said, "logical block size 512") || strings.Contains(said, "note") {
		t.Errorf("create says %q", said)
	}
	if said := mustRun(t, "create", "-o", "size=1M,zone.mode=host-managed,zone.size=1M", filepath.Join(dir, "zoned")); !strings.Contains(said, "logical block size 4096") {
		t.Errorf("create says %q", said)
	}
	if said := mustRun(t, "create", "-o", "size=1M,logical_block_size=4096", large); !strings.Contains(said, "logical block size 4096") {
		t.Errorf("create says %q", said)
	}
	for from, want := range map[string]string{plain: "512", large: "4096"} {
		os.Remove(out)
		mustRun(t, "export", from, out)
		if info := mustRun(t, "info", "--json", out); !strings.Contains(strings.ReplaceAll(info, " ", ""), `"logical-block-size":`+want) {
			t.Errorf("export of %s: %s", from, info)
		}
	}
}
