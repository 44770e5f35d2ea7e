// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"flag"
	"fmt"
	"os"
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
