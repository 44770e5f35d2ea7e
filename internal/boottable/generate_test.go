// SPDX-License-Identifier: Apache-2.0

package boottable

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/systemd"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/NAME.table is what testdata/NAME.units lists: the files that
// are made, with their contents.
func TestGolden(t *testing.T) {
	tables, err := filepath.Glob("testdata/*.table")
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	for _, table := range tables {
		t.Run(filepath.Base(table), func(t *testing.T) {
			got := listing(t, generated(t, table))
			golden := strings.TrimSuffix(table, ".table") + ".units"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-update takes it over:\n%s", diff)
			}
		})
	}
}

func generated(t *testing.T, table string) string {
	t.Helper()
	f, err := os.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := Parse(f, DefaultPath)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Generate(dir, DefaultPath, "/usr/bin/zqublkd", list); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listing is a folder as text. The part of a unit that is the same for all is
// left out: from its [Service] to the end, but for the values in it.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if target, err := os.Readlink(path); err == nil {
			fmt.Fprintf(&b, "=== %s -> %s\n", name, target)
			return nil
		}
		text, err := os.ReadFile(path)
		head, body, _ := strings.Cut(string(text), "\n[Service]\n")
		fmt.Fprintf(&b, "=== %s\n%s\n[Service]\n", name, head)
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "Environment") || strings.HasPrefix(line, "ExecStart") || strings.HasPrefix(line, "SupplementaryGroups") {
				b.WriteString(line)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What a generated unit does not set of itself is word for word the unit that
// is installed.
func TestTheRestIsTheInstalledUnit(t *testing.T) {
	dir := generated(t, "testdata/plain.table")
	text, err := os.ReadFile(filepath.Join(dir, "zqublkd@data.service"))
	if err != nil {
		t.Fatal(err)
	}
	made := string(text)
	for line := range strings.Lines(uncommented(systemd.Service)) {
		if !strings.Contains(line, "%f") && !strings.Contains(made, line) {
			t.Errorf("not in the unit: %s", line)
		}
	}
	if strings.Contains(made, "%f") || strings.Contains(made, "[Install]") {
		t.Errorf("the unit of a path shows through:\n%s", made)
	}
}

// systemd finds nothing to complain about in the units, odd names included,
// and takes the values from them that were meant.
func TestSystemdReadsThem(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd is not installed here; the scenario systemd does this in a machine")
	}
	tables, _ := filepath.Glob("testdata/*.table")
	for _, table := range tables {
		dir := generated(t, table)
		units, _ := filepath.Glob(filepath.Join(dir, "*.service"))
		cmd := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)...)
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		out, _ := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, dir) && !strings.Contains(line, "is not executable") && !strings.Contains(line, "PrivateIPC") {
				t.Errorf("%s: %s", table, line)
			}
		}
	}
}
