// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The measures of the source. Widths are columns, a tab is 4 of them. A line of code may be
// wider for a literal that is not to be cut, and tests may have tables as wide as they read best.
const (
	fileLines     = 300
	testLines     = 400
	functionLines = 60
	folderFiles   = 45 // tests aside: more than that nobody looks through
	codeWidth     = 120
	commentWidth  = 100
	tabWidth      = 4
	longLiteral   = 40 // bytes of a string
)

const module = "zqublkd"

// mayImport says which packages of ours a package may import, tests aside. Arrows go down only.
// A package that is not here may import none.
var mayImport = map[string][]string{
	"cmd/zqublkd": {
		"internal/background",
		"internal/blkdev",
		"internal/boottable",
		"internal/bytesize",
		"internal/createoptions",
		"internal/devicelist",
		"internal/devname",
		"internal/engine",
		"internal/fault",
		"internal/imagefile",
		"internal/imageinfo",
		"internal/importer",
		"internal/metrics",
		"internal/nvmet",
		"internal/output",
		"internal/overlay",
		"internal/printable",
		"internal/profile",
		"internal/replay",
		"internal/server",
		"internal/storage",
		"internal/suggest",
		"internal/top",
		"internal/trace",
		"internal/unit",
		"internal/zonemap",
		"internal/zonerange",
		"qcow2",
		"qcow2/check",
		"qcow2/convert",
		"qcow2/edit",
		"qcow2/format",
		"ublk",
		"zoned",
	},
	"internal/server": {"internal/devname", "internal/engine", "internal/fault", "internal/nvmet", "internal/printable",
		"internal/statefile", "internal/storage", "internal/tally", "internal/trace", "qcow2/edit", "qcow2/format", "ublk"},
	"internal/engine": {"internal/fault", "internal/groupcommit", "internal/imagefile", "internal/statefile",
		"internal/storage", "internal/tally", "internal/trace", "qcow2", "qcow2/format", "ublk", "uring", "zoned"},
	"internal/output":              {"internal/bytesize"},
	"internal/top":                 {"internal/metrics", "internal/printable", "internal/tally"},
	"internal/metrics":             {"internal/server", "internal/tally"},
	"internal/importer":            {"internal/imagefile", "internal/storage", "qcow2", "qcow2/convert", "qcow2/format"},
	"internal/imagefile":           {"internal/storage", "qcow2", "qcow2/format"},
	"internal/statefile":           {"ublk", "zoned"},
	"internal/profile":             {"qcow2"},
	"internal/overlay":             {"internal/imagefile", "internal/storage", "qcow2", "qcow2/format"},
	"internal/boottable":           {"internal/devname", "systemd"},
	"internal/imageinfo":           {"internal/bytesize", "internal/engine", "internal/imagefile", "internal/output", "internal/printable", "internal/server", "internal/storage", "qcow2", "qcow2/format", "zoned"},
	"internal/background":          {"internal/server", "internal/unit"},
	"internal/createoptions":       {"internal/bytesize", "internal/profile", "internal/suggest", "qcow2", "qcow2/format"},
	"internal/devicelist":          {"internal/bytesize", "internal/nvmet", "internal/output", "internal/printable", "internal/server", "ublk"},
	"internal/unit":                {"internal/devname", "internal/server"},
	"internal/blkdev":              {"zoned"},
	"internal/zonemap":             {"zoned"},
	"internal/trace":               {"zoned"},
	"internal/replay":              {"internal/blkdev", "internal/trace", "zoned"},
	"internal/storage":             {"internal/printable"},
	"internal/storage/storagetest": {"internal/needs", "internal/storage"},
	"qcow2":                        {"internal/groupcommit", "internal/storage", "qcow2/check", "qcow2/format"},
	"qcow2/convert":                {"internal/storage", "qcow2", "qcow2/format"},
	"qcow2/edit":                   {"internal/storage", "qcow2", "qcow2/check", "qcow2/format"},
	"qcow2/check":                  {"internal/printable", "internal/storage", "qcow2/format"},
	"qcow2/format":                 {"internal/printable"},
	"qcow2/qcow2test":              {"internal/needs", "internal/storage", "internal/storage/storagetest", "qcow2/check", "qcow2/format"},
	"ublk":                         {"uring"},
	"ublk/ublktest":                {"ublk", "uring"},
	"zoned/zonetest":               {"zoned"},
	"zoned/zonetest/blockdev":      {"internal/blkdev", "zoned", "zoned/zonetest"},
	"tests/vm/vmrun":               {"tests/vm"},
}

// TestTidy holds the source to its measures.
func TestTidy(t *testing.T) {
	var files int
	documented, production := map[string]bool{}, map[string]int{} // by folder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
			if err == nil {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		name, _ := filepath.Rel("..", path)
		found, doc := breaches(filepath.ToSlash(name), string(text))
		for _, b := range found {
			t.Error(b)
		}
		folder := filepath.Dir(name)
		documented[folder] = documented[folder] || doc
		if !strings.HasSuffix(name, "_test.go") {
			production[folder]++
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files, %v", files, err)
	}
	for _, b := range crowded(production) {
		t.Error(b)
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a comment that says what the package is", folder)
		}
	}
}

// crowded lists the folders that have too many files; files counts those of each.
func crowded(files map[string]int) (found []string) {
	for folder, n := range files {
		if n > folderFiles {
			found = append(found, fmt.Sprintf("%s: %d files of code, at most %d are allowed: give what belongs together a room",
				folder, n, folderFiles))
		}
	}
	return found
}

// breaches lists what of a file passes the measures, and says whether it documents its package.
func breaches(name, text string) (found []string, doc bool) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return []string{err.Error()}, false
	}
	say := func(line int, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: ", name, line)+fmt.Sprintf(format, args...))
	}
	test := strings.HasSuffix(name, "_test.go")
	limit := fileLines
	if test {
		limit = testLines
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > limit {
		say(len(lines), "the file has %d lines, at most %d are allowed", len(lines), limit)
	}
	for k, line := range lines {
		switch w := columns(line); {
		case strings.HasPrefix(strings.TrimSpace(line), "//"):
			if w > commentWidth && strings.Contains(strings.TrimSpace(line[strings.Index(line, "//")+2:]), " ") {
				say(k+1, "a comment of %d columns, at most %d are allowed", w, commentWidth)
			}
		case w > codeWidth && !test && !hasLongLiteral(line):
			say(k+1, "%d columns, at most %d are allowed", w, codeWidth)
		}
	}
	if !test {
		bodies(set, f, say)
		imports(filepath.ToSlash(filepath.Dir(name)), set, f, say)
	}
	return found, f.Doc != nil || test && f.Name.Name == "tests"
}

func columns(line string) (n int) {
	for _, r := range line {
		n++
		if r == '\t' {
			n += tabWidth - 1
		}
	}
	return n
}

func hasLongLiteral(line string) bool {
	if strings.Count(line, "`") == 1 { // of several lines
		return true
	}
	set := token.NewFileSet()
	var s scanner.Scanner
	s.Init(set.AddFile("", -1, len(line)), []byte(line), func(token.Position, string) {}, 0)
	for {
		_, tok, lit := s.Scan()
		if tok == token.EOF {
			return false
		}
		if tok == token.STRING && len(lit) >= longLiteral {
			return true
		}
	}
}

func bodies(set *token.FileSet, f *ast.File, say func(int, string, ...any)) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			from, to := set.Position(fn.Pos()).Line, set.Position(fn.End()).Line
			if to-from+1 > functionLines {
				say(from, "%s has %d lines, at most %d are allowed", fn.Name.Name, to-from+1, functionLines)
			}
		}
	}
}

func imports(folder string, set *token.FileSet, f *ast.File, say func(int, string, ...any)) {
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		ours, ok := strings.CutPrefix(path, module+"/")
		if ok && !slices.Contains(mayImport[folder], ours) {
			say(set.Position(i.Pos()).Line, "%s may not import %s", folder, ours)
		}
	}
}

// TestTidyNotices plants a breach of each rule.
func TestTidyNotices(t *testing.T) {
	const sound = "// Package format is sound.\npackage format\n\nimport \"zqublkd/internal/printable\"\n\nvar _ = printable.Line\n"
	wide := strings.Repeat("a + ", 40) + "a"
	for name, c := range map[string]struct {
		file, text, says string
	}{
		"sound":            {"qcow2/format/a.go", sound, ""},
		"no package":       {"qcow2/format/a.go", "var a int\n", "expected 'package'"},
		"import":           {"qcow2/format/a.go", sound + "\n", ""},
		"import upwards":   {"internal/engine/a.go", "package engine\n\nimport _ \"zqublkd/internal/server\"\n", "internal/engine may not import internal/server"},
		"import of ours":   {"zoned/a.go", "package zoned\n\nimport _ \"zqublkd/qcow2/format\"\n", "zoned may not import qcow2/format"},
		"imports of tests": {"zoned/a_test.go", "package zoned\n\nimport _ \"zqublkd/qcow2/format\"\n", ""},
		"long file":        {"zoned/a.go", "package zoned\n" + strings.Repeat("\n", fileLines), "the file has 301 lines"},
		"long test":        {"zoned/a_test.go", "package zoned\n" + strings.Repeat("\n", testLines), "the file has 401 lines"},
		"long function":    {"zoned/a.go", "package zoned\n\nfunc f() {\n" + strings.Repeat("\n", functionLines) + "}\n", "f has 62 lines"},
		"wide code":        {"zoned/a.go", "package zoned\n\nvar b = " + wide + "\n", "169 columns"},
		"wide by tabs":     {"zoned/a.go", "package zoned\n\nfunc f() {\n" + strings.Repeat("\t", 30) + "f()\n}\n", "123 columns"},
		"wide test":        {"zoned/a_test.go", "package zoned\n\nvar b = " + wide + "\n", ""},
		"wide literal":     {"zoned/a.go", "package zoned\n\nvar b = \"" + strings.Repeat("a ", 80) + "\"\n", ""},
		"wide comment":     {"zoned/a.go", "package zoned\n\n// " + strings.Repeat("a ", 60) + "\nvar b int\n", "a comment of 123 columns"},
		"address":          {"zoned/a.go", "package zoned\n\n// " + strings.Repeat("a", 120) + "\nvar b int\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, _ := breaches(c.file, c.text)
			if got := strings.Join(found, "\n"); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
				t.Errorf("found %q, want %q", got, c.says)
			}
		})
	}
	for text, want := range map[string]bool{sound: true, "package format\n": false, "// Lonely.\n\npackage format\n": false} {
		if _, doc := breaches("qcow2/format/a.go", text); doc != want {
			t.Errorf("%q documents its package: %v", text, doc)
		}
	}
	folders := map[string]int{"zoned": folderFiles, "qcow2": folderFiles + 1}
	if found := crowded(folders); len(found) != 1 || !strings.HasPrefix(found[0], "qcow2: 46 files") {
		t.Errorf("crowded folders: %q", found)
	}
}
