// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// qemu runs one of QEMU's tools in a directory. Without them nothing here means
// anything.
func qemu(t *testing.T, dir, tool string, args ...string) string {
	t.Helper()
	c := exec.Command(tool, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v (the Debian package is qemu-utils)\n%s", tool, args, err, out)
	}
	return string(out)
}

// mapRuns are the lines of a map, those joined that say the same.
func mapRuns(t *testing.T, text string) []mapLine {
	t.Helper()
	var lines, runs []mapLine
	if err := json.Unmarshal([]byte(text), &lines); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, l := range lines {
		l.Filename, l.Compressed = "", false // QEMU 7.2 says neither
		if k := len(runs) - 1; k >= 0 {
			next, at := runs[k], uint64(0)
			if next.Offset != nil {
				at = *next.Offset + next.Length
				next.Offset = &at
			}
			next.Start, next.Length = l.Start, l.Length
			if cmp.Equal(next, l) {
				runs[k].Length += l.Length
				continue
			}
		}
		runs = append(runs, l)
	}
	return runs
}

// map --json says what qemu-img does: of the end of a short backing file that
// nothing is there, of holes that they are zeros, and where zeros have space.
func TestC30_MapIsThatOfQEMU(t *testing.T) {
	dir := t.TempDir()
	for _, c := range [][]string{
		{"truncate", "-s", "3M", "raw.img"},
		{"qemu-io", "-f", "raw", "-c", "write 1M 4K", "-c", "write 2M 64K", "raw.img"},
		{"qemu-img", "create", "-f", "qcow2", "-b", "raw.img", "-F", "raw", "overlay", "8M"},
		{"qemu-io", "-c", "write 128K 64K", "-c", "write -z 256K 64K", "-c", "write 5M 64K", "-c", "write -z 6M 64K", "overlay"},
		{"qemu-img", "create", "-f", "qcow2", "short", "4M"},
		{"qemu-io", "-c", "write 0 64K", "-c", "write -z 1M 64K", "short"},
		{"qemu-img", "create", "-f", "qcow2", "-b", "short", "-F", "qcow2", "onshort", "8M"},
		{"qemu-io", "-c", "write 128K 64K", "-c", "write -z 256K 64K", "onshort"},
		{"qemu-img", "create", "-f", "qcow2", "-b", "onshort", "-F", "qcow2", "three", "9M"},
		{"qemu-io", "-c", "write 3M 64K", "three"},
		{"qemu-img", "create", "-f", "qcow2", "-o", "preallocation=metadata", "prealloc", "8M"},
		{"qemu-io", "-c", "write 128K 64K", "prealloc"},
		{"qemu-img", "create", "-f", "qcow2", "zeroed", "8M"},
		{"qemu-io", "-c", "write 128K 128K", "-c", "write -z 128K 64K", "zeroed"},
		{"qemu-img", "create", "-f", "qcow2", "-o", "extended_l2=on", "-b", "raw.img", "-F", "raw", "subclusters", "4M"},
		{"qemu-io", "-c", "write 1M 2K", "-c", "write -z 1060K 6K", "-c", "write 2110K 2K", "subclusters"},
		{"qemu-img", "convert", "-c", "-f", "qcow2", "-O", "qcow2", "overlay", "compressed"},
	} {
		qemu(t, dir, c[0], c[1:]...)
	}
	for _, name := range []string{"overlay", "onshort", "three", "prealloc", "zeroed", "subclusters", "compressed"} {
		want := mapRuns(t, qemu(t, dir, "qemu-img", "map", "--output=json", name))
		got := mapRuns(t, mustRun(t, "map", "--json", "--allow-backing", filepath.Join(dir, name)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: - QEMU, + we:\n%s", name, diff)
		}
	}
}
