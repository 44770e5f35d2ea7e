// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/zoned"
)

// span is what a page shows as it is printed.
var span = regexp.MustCompile("`([^`]+)`")

// TestMessages: the messages that troubleshooting.md explains are those of the program.
func TestMessages(t *testing.T) {
	var source strings.Builder
	for _, root := range []string{"../cmd", "../internal", "../qcow2", "../ublk", "../uring", "../zoned"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				var text []byte
				text, err = os.ReadFile(path)
				source.Write(text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _ := strings.Cut(string(page), "## A request of a device that failed")
	found := 0
	for k, line := range strings.Split(ours, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range span.FindAllStringSubmatch(cells[1], -1) {
			found++
			pattern := strings.ReplaceAll(regexp.QuoteMeta(m[1]), " N", " %[a-z]")
			if !regexp.MustCompile(pattern).MatchString(source.String()) {
				t.Errorf("line %d: nothing says %q", k+1, m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d messages", found)
	}
}

// TestErrnoOfRules: a line of troubleshooting.md about a rule for zones has that rule's errno.
func TestErrnoOfRules(t *testing.T) {
	page, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for r := zoned.RuleRange; !strings.HasPrefix(r.String(), "rule-"); r++ {
		want := unix.ErrnoName(r.Errno())
		if r.Errno() == unix.EIO {
			want = "Input/output error"
		}
		for line := range strings.Lines(string(page)) {
			if !strings.Contains(line, "`"+r.String()+"`") {
				continue
			}
			found++
			if !strings.Contains(line, want) {
				t.Errorf("%q goes with %s: %s", r, want, line)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d rules", found)
	}
}
