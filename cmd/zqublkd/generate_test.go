// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestByName(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{"/usr/lib/systemd/system-generators/zqublkd-generator", "a", "b", "c"}, []string{"generate", "a", "b", "c"}},
		{[]string{"/usr/bin/zqublkd", "list"}, []string{"list"}},
		{[]string{"zqublkd"}, nil},
	} {
		if got := byName(c.args); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}

// The units of good lines are there, whatever is wrong with others.
func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "table")
	if err := os.WriteFile(table, []byte("a /srv/a\nb /srv/b sparkling\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	root.SetArgs([]string{"generate", "--table", table, filepath.Join(dir, "units")})
	err := root.Execute()
	if err == nil || !strings.Contains(err.Error(), table+`:2: option "sparkling" is not known`) {
		t.Errorf("error %v", err)
	}
	for name, want := range map[string]bool{"zqublkd@a.service": true, "zqublkd@b.service": false} {
		if _, err := os.Stat(filepath.Join(dir, "units", name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	root = newRoot()
	root.SetArgs([]string{"generate", "--table", filepath.Join(dir, "none"), dir})
	if err := root.Execute(); err == nil {
		t.Error("a table that is named must be there")
	}
}

// udev asks about the devices of other servers, too; that is no error.
func TestUdevOfOthers(t *testing.T) {
	if out := mustRun(t, "udev", "--run-dir", t.TempDir(), "3"); out != "" {
		t.Errorf("%q", out)
	}
}
