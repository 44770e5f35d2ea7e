// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/qcow2/check"
)

// What can't be checked is not called sound, in words or in JSON.
func TestC24_CheckOfNoImage(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no image\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", text}, {"check", "--repair", "all", text}} {
		out, err := run(args...)
		if exitCode(err) != check.CheckFailed || strings.Contains(out, "is sound:") || !strings.Contains(out, "not known") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if out, _ := run("check", "--json", text); !strings.Contains(out, `"check-errors": 1`) {
		t.Error(out)
	}
}
