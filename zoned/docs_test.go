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
		write(t, golden, stateMachine())
	}
	if diff := cmp.Diff(read(t, golden), stateMachine()); diff != "" {
		t.Errorf("the state machine is not what %s says: %s", golden, diff)
	}
}

func TestDocumentedTables(t *testing.T) {
	for name, want := range map[string]string{"cells": "```" + cellsWanted + "```\n", "table": stateMachine(), "rules": rulesTable()} {
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

// stateMachine is the state machine as a Markdown table, one row for each operation and condition,
// with the resources the step takes and frees.
func stateMachine() string {
	var b strings.Builder
	b.WriteString("| operation | condition | new condition | takes | frees | refused because |\n|---|---|---|---|---|---|\n")
	for _, op := range zoned.Operations() {
		for _, c := range zoned.Conditions {
			t, ok := zoned.Lookup(op, c)
			if !ok {
				continue
			}
			if t.Refused != 0 {
				fmt.Fprintf(&b, "| %s | %s | unchanged | | | %s |\n", op, c, t.Refused)
				continue
			}
			next, frees := t.Next.String(), slots(t.Next, c)
			if t.EmptyNext != t.Next {
				next += fmt.Sprintf(" (%s when nothing is written)", t.EmptyNext)
				frees += fmt.Sprintf(" (%s)", slots(t.EmptyNext, c))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | |\n", op, c, next, slots(c, t.Next), frees)
		}
	}
	return b.String()
}

// slots names the resources that b has and a has not.
func slots(a, b zoned.Condition) string {
	var s []string
	if b.Open() && !a.Open() {
		s = append(s, "open")
	}
	if b.Active() && !a.Active() {
		s = append(s, "active")
	}
	return strings.Join(s, ", ")
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
