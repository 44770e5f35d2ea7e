// SPDX-License-Identifier: Apache-2.0

//go:build !vm

package blockdev

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/zoned/zonetest"
)

var update = flag.Bool("blockdev.update", false, "rewrite the differences in the documentation")

// TestDifferencesAreOfCases: each is of a case that there is.
func TestDifferencesAreOfCases(t *testing.T) {
	for _, x := range differences {
		is := func(c zonetest.Case) bool { return c.Name == x.Case }
		if !slices.ContainsFunc(zonetest.Cases(), is) || x.Seen == "" || x.Why == "" {
			t.Errorf("%+v", x)
		}
	}
}

func TestDifferencesOfDrivers(t *testing.T) {
	kernel, nullBlk := len(Differences("")), len(Differences("null_blk"))
	if kernel == 0 || nullBlk != len(differences) || kernel >= nullBlk {
		t.Errorf("%d of the kernel, %d with null_blk, %d in all", kernel, nullBlk, len(differences))
	}
}

func TestDifferencesAreDocumented(t *testing.T) {
	const page = "../../../docs/conformance.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "<!-- begin differences -->\n")
	got, tail, ok2 := strings.Cut(rest, "<!-- end differences -->\n")
	if !ok || !ok2 {
		t.Fatalf("%s has no markers", page)
	}
	if *update {
		got = table()
		text := head + "<!-- begin differences -->\n" + got + "<!-- end differences -->\n" + tail
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(table(), got); diff != "" {
		t.Errorf("%s: %s", page, diff)
	}
}

// table has a row for each thing that a driver does otherwise.
func table() string {
	var b strings.Builder
	b.WriteString("| of | cases | instead | because |\n|---|---|---|---|\n")
	for at := 0; at < len(differences); {
		x := differences[at]
		var cases []string
		for ; at < len(differences) && alike(differences[at], x); at++ {
			cases = append(cases, differences[at].Case)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", owner(x), strings.Join(cases, ", "), x.Seen, x.Why)
	}
	return b.String()
}

// alike: one row tells of both.
func alike(a, b difference) bool {
	a.Case = b.Case
	return a == b
}

func owner(x difference) string {
	who := x.driver
	if who == "" {
		who = "the kernel"
	}
	if x.Sometimes {
		who += ", sometimes"
	}
	if x.Ruins {
		who += ", ruins"
	}
	return who
}
