// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// run is the program with these arguments.
func run(args ...string) (string, error) {
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := execute(root)
	return out.String(), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

func TestAmend(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.qcow2")
	mustRun(t, "create", "-o", "size=64M,zone.mode=host-managed,zone.size=4M,zone.max_append_bytes=64K", image)
	before := mustRun(t, "report", image)
	for _, c := range []struct{ to, says string }{
		{"v8", "layout v6 became v8\nusable with series v8 to v10"},
		{"v8", "has layout v8 already"},
		{"v14", "layout v8 became v14\nlost: the append limit of 65536 bytes"},
		{"v11", "usable with series v11 to v13"},
	} {
		if out := mustRun(t, "amend", "-o", "zone.revision="+c.to, image); !strings.Contains(out, c.says) {
			t.Errorf("to %s: %q, want %q", c.to, out, c.says)
		}
		if info := mustRun(t, "info", image); !strings.Contains(info, "layout "+c.to) || !strings.Contains(info, "can be served:") || strings.Contains(info, "served:     no") {
			t.Errorf("to %s: %s", c.to, info)
		}
	}
	if after := mustRun(t, "report", image); after != before {
		t.Errorf("report changed:\n%s\nwas:\n%s", after, before)
	}
	mustRun(t, "check", image)
}

func TestAmendRefuses(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.qcow2")
	mustRun(t, "create", "-o", "size=64M", image)
	for _, c := range []struct {
		option, says string
		code         int
	}{
		{"", "nothing to change", exitUsage},
		{"size=1G", "nothing else", exitUsage},
		{"zone.revision=v9", "must be one of v6, v8, v11, v14", exitUsage},
		{"zone.revision=v8", "has no zones", exitUsage},
	} {
		_, err := run("amend", "-o", c.option, image)
		if err == nil || !strings.Contains(err.Error(), c.says) || exitCode(err) != c.code {
			t.Errorf("-o %q: %v (%d), want %q (%d)", c.option, err, exitCode(err), c.says, c.code)
		}
	}
}
