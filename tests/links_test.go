// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A link of Markdown, and a path of ours in backticks: a folder that the tree begins with, and
// no place holder.
var (
	linkPattern = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pathPattern = regexp.MustCompile("`((?:cmd|internal|qcow2|zoned|ublk|uring|systemd|tests|docs)/[a-z0-9_/.-]+)`")
)

// brokenLinks lists what a document refers to that does not exist. Links start at the folder of the
// document, paths in backticks at the top of the tree.
func brokenLinks(name, text string, exists func(path string) bool) (broken []string) {
	for _, m := range linkPattern.FindAllStringSubmatch(text, -1) {
		to, _, _ := strings.Cut(m[1], "#")
		if to == "" || strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
			continue
		}
		if !exists(filepath.Join(filepath.Dir(name), to)) {
			broken = append(broken, m[1])
		}
	}
	for _, m := range pathPattern.FindAllStringSubmatch(text, -1) {
		if !exists(m[1]) && !exists("tests/"+m[1]) {
			broken = append(broken, m[1])
		}
	}
	return broken
}

// TestTidyLinks: what the documents refer to is there.
func TestTidyLinks(t *testing.T) {
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join("..", path))
		return err == nil
	}
	var read []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel("..", path)
		from := name
		if name == "tests/bench/preface.md" { // the head of docs/benchmarks.md
			from = "docs/benchmarks.md"
		}
		for _, to := range brokenLinks(from, string(text), exists) {
			t.Errorf("%s refers to %s, which does not exist", name, to)
		}
		read = append(read, name)
		return err
	})
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/durability.md"} {
		if !slices.Contains(read, name) {
			t.Errorf("%s has not been found, %v", name, err)
		}
	}
}

func TestTidyLinksNotices(t *testing.T) {
	there := []string{"README.md", "docs/a.md", "zoned/evict.go", "tests/vm/README.md"}
	exists := func(path string) bool { return slices.Contains(there, path) }
	for _, c := range []struct{ name, file, text, broken string }{
		{"sound", "README.md", "[a](docs/a.md#part), [b](https://example.org/x), `zoned/evict.go`, [c](#here)", ""},
		{"from its own folder", "docs/a.md", "[up](../README.md), [beside](a.md)", ""},
		{"no such file", "README.md", "[a](docs/b.md)", "docs/b.md"},
		{"from the wrong folder", "docs/a.md", "[a](docs/a.md)", "docs/a.md"},
		{"no such path", "docs/a.md", "see `zoned/limit.go`", "zoned/limit.go"},
		{"with a part", "README.md", "[a](docs/c.md#x)", "docs/c.md#x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(brokenLinks(c.file, c.text, exists), " "); got != c.broken {
				t.Errorf("broken: %q, want %q", got, c.broken)
			}
		})
	}
}
