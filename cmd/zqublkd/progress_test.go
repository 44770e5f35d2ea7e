// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/internal/output"
)

// Import and export say how far they are, up to the end.
func TestProgressIsTold(t *testing.T) {
	dir := t.TempDir()
	raw, image, out := filepath.Join(dir, "raw"), filepath.Join(dir, "i.qcow2"), filepath.Join(dir, "o.qcow2")
	if err := os.WriteFile(raw, bytes.Repeat([]byte{1}, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	old := output.Every
	output.Every = 0
	defer func() { output.Every = old }()
	for _, args := range [][]string{{"import", "-o", "zone.size=1M", raw, image}, {"export", image, out}} {
		text := mustRun(t, args...)
		if !strings.Contains(text, "zqublkd: "+args[0]+": 100% of 9M\n") || strings.Count(text, "%") < 3 {
			t.Errorf("%v said %q", args, text)
		}
		os.Remove(out)
	}
	if text := mustRun(t, "check", image); !strings.Contains(text, "zqublkd: check: 100% of 64K\n") {
		t.Errorf("check said %q", text)
	}
	for _, args := range [][]string{{"import", "-q", "--force", "-o", "zone.size=1M", raw, image}, {"export", "-q", image, out}, {"check", "-q", image}, {"create", "-q", "--force", image, "1M"}} {
		if text := mustRun(t, args...); text != "" {
			t.Errorf("%v said %q", args, text)
		}
	}
}
