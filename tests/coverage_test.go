// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// covered are the packages of which the package's own tests, at their smallest
// size, must reach every block. None of their blocks is unreachable.
var covered = []string{"zoned"}

func TestCoverage(t *testing.T) {
	for _, dir := range covered {
		t.Run(dir, func(t *testing.T) {
			profile := filepath.Join(t.TempDir(), "profile")
			test := exec.Command("go", "test", "-short", "-coverprofile", profile, "../"+dir)
			if out, err := test.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			text, err := os.ReadFile(profile)
			if err != nil {
				t.Fatal(err)
			}
			blocks := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
			for _, block := range blocks {
				if strings.HasSuffix(block, " 0") {
					t.Errorf("no test reaches %s", block)
				}
			}
			t.Logf("%d blocks", len(blocks))
		})
	}
}
