// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const requirements = 71

// TestRequirements: docs/zone-rules.md lists each requirement once, with a test
// that exists or a reason why it does not apply; each test that is named after a
// requirement is listed.
func TestRequirements(t *testing.T) {
	page, err := os.ReadFile("../docs/zone-rules.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| R(\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(string(page), -1)
	listed := map[string]bool{}
	for k, row := range rows {
		if row[1] != fmt.Sprint(k+1) {
			t.Fatalf("R%s where R%d should be", row[1], k+1)
		}
		folder, test := proof(row[2])
		listed[folder+" "+test] = true
		switch {
		case strings.HasPrefix(row[2], "does not apply: "):
		case test == "":
			t.Errorf("R%s has neither a test nor a reason: %s", row[1], row[2])
		case !testsOf(t, folder)[test]:
			t.Errorf("R%s is proved by %s of %s, which does not exist", row[1], test, folder)
		}
	}
	if len(rows) != requirements {
		t.Errorf("%d requirements are listed, there are %d", len(rows), requirements)
	}
	for _, folder := range []string{"zoned", "qcow2", "qcow2/format", "qcow2/check", "internal/engine", "internal/server", "cmd/zqublkd"} {
		for test := range testsOf(t, folder) {
			if regexp.MustCompile(`^TestR\d`).MatchString(test) && !listed[folder+" "+test] {
				t.Errorf("%s of %s is not listed", test, folder)
			}
		}
	}
}

// proof reads "`Test`", of folder zoned, or "folder: `Test`".
func proof(cell string) (folder, test string) {
	m := regexp.MustCompile("^(?:([a-z0-9/]+): )?`(Test\\w+)`$").FindStringSubmatch(cell)
	switch {
	case m == nil:
		return "", ""
	case m[1] == "":
		return "zoned", m[2]
	}
	return m[1], m[2]
}

// testsOf finds the test functions of a folder.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests: %v", folder, err)
	}
	found := map[string]bool{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(b), -1) {
			found[m[1]] = true
		}
	}
	return found
}
