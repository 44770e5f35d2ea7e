package zoned_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zqublkd/zoned"
)

var update = flag.Bool("zoned.update", false, "rewrite the golden table and the generated parts of the documentation")

const page = "../docs/zone-rules.md"

func TestTableGolden(t *testing.T) {
	const golden = "testdata/table.md"
	if *update {
		write(t, golden, zoned.Table())
	}
	if diff := cmp.Diff(read(t, golden), zoned.Table()); diff != "" {
		t.Errorf("the state machine is not what %s says: %s", golden, diff)
	}
}

func TestDocumentedTables(t *testing.T) {
	for name, want := range map[string]string{"cells": "```" + cellsWanted + "```\n", "table": zoned.Table(), "rules": rulesTable()} {
		text := read(t, page)
		head, rest, ok := strings.Cut(text, "<!-- begin "+name+" -->\n")
		got, tail, ok2 := strings.Cut(rest, "<!-- end "+name+" -->\n")
		if !ok || !ok2 {
			t.Errorf("%s has no markers for %q", page, name)
			continue
		}
		if *update {
			write(t, page, head+"<!-- begin "+name+" -->\n"+want+"<!-- end "+name+" -->\n"+tail)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s differs: %s", page, name, diff)
		}
	}
}

// rulesTable lists the rules with what the block device answers.
func rulesTable() string {
	var b strings.Builder
	b.WriteString("| rule | errno |\n|---|---|\n")
	for _, r := range zoned.Rules() {
		fmt.Fprintf(&b, "| %s | %s |\n", r, unix.ErrnoName(r.Errno()))
	}
	return b.String()
}

// TestDocumentedRequirements: each requirement is listed once, with tests that
// exist; each test that is named after one is listed.
func TestDocumentedRequirements(t *testing.T) {
	const requirements = 71
	tests := testsOfPackage(t)
	listed := map[string]bool{}
	rows := regexp.MustCompile(`(?m)^\| R(\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(read(t, page), -1)
	for k, row := range rows {
		if row[1] != fmt.Sprint(k+1) {
			t.Fatalf("%s: R%s where R%d should be", page, row[1], k+1)
		}
		if name, isTest := strings.CutPrefix(row[2], "`Test"); isTest {
			name = "Test" + strings.TrimSuffix(name, "`")
			listed[name] = true
			if !tests[name] {
				t.Errorf("%s: R%s is proved by %s, which does not exist", page, row[1], name)
			}
		}
	}
	if len(rows) != requirements {
		t.Errorf("%s lists %d requirements", page, len(rows))
	}
	for name := range tests {
		if strings.HasPrefix(name, "TestR") && len(name) > 5 && name[5] <= '9' && !listed[name] {
			t.Errorf("%s does not list %s", page, name)
		}
	}
}

// testsOfPackage finds the test functions of this directory.
func testsOfPackage(t *testing.T) map[string]bool {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(read(t, f.Name()), -1) {
				found[m[1]] = true
			}
		}
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
