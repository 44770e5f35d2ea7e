// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// contentsOf are the bytes of a file.
func contentsOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestC38_ForceSparesTheSource: by whatever name the target is given, it is not
// one of the files that the target would be made of.
func TestC38_ForceSparesTheSource(t *testing.T) {
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	image, raw := name("a.qcow2"), name("a.raw")
	mustRun(t, "create", "--size", "2M", image)
	if err := os.WriteFile(raw, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"hard": image, "hardraw": raw} {
		if err := os.Link(to, name(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.qcow2", name("soft")); err != nil {
		t.Fatal(err)
	}
	commands := [][]string{
		{"export", "-U", image, image}, {"export", "-U", image, name("hard")}, {"export", "-U", image, name("soft")},
		{"export", "-U", name("soft"), dir + "/./a.qcow2"}, {"export", image, name("hard")},
		{"import", "-o", "zone.size=1M", image, name("soft")}, {"import", "-o", "zone.size=1M", raw, name("hardraw")},
	}
	if _, err := exec.LookPath("qemu-img"); err == nil {
		for _, args := range [][]string{
			{"create", "-q", "-f", "qcow2", "-o", "data_file=" + name("data"), name("outer"), "1M"},
			{"create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", name("overlay")},
		} {
			if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		commands = append(commands,
			[]string{"export", "-U", "--allow-data-file", name("outer"), name("data")},
			[]string{"export", "-U", "--allow-backing", name("overlay"), name("hardraw")},
			[]string{"export", name("outer"), raw}, // refused as a whole: the data file may not be followed
		)
	}
	for _, args := range commands {
		source, target := contentsOf(t, args[len(args)-2]), contentsOf(t, args[len(args)-1])
		_, err := run(append(args, "--force")...)
		if err == nil {
			t.Errorf("%v went through", args)
		} else if exitCode(err) == exitFailed {
			t.Errorf("%v: %v has no exit code of its own", args, err)
		}
		if !bytes.Equal(contentsOf(t, args[len(args)-2]), source) || !bytes.Equal(contentsOf(t, args[len(args)-1]), target) {
			t.Errorf("%v changed a file", args)
		}
	}
}

// TestC38_ForceKeepsTheOldUntilTheNewIsThere: a source that is refused costs
// nothing; what is replaced hands its mode on and leaves nothing beside it.
func TestC38_ForceKeepsTheOldUntilTheNewIsThere(t *testing.T) {
	dir := t.TempDir()
	image, out := filepath.Join(dir, "a.qcow2"), filepath.Join(dir, "out")
	mustRun(t, "create", "--size", "2M", image)
	if err := os.WriteFile(out, []byte("precious"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := run("export", image, out); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("overwritten without --force: %v", err)
	}
	good := contentsOf(t, image)
	bad := bytes.Clone(good)
	bad[79] |= 1 << 6 // an incompatible feature that nobody knows
	if err := os.WriteFile(image, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"export", image, out}, {"import", "-o", "zone.size=1M", image, out}, {"import", "-o", "zone.size=3M", image, out}} {
		if _, err := run(append(args, "--force")...); err == nil || string(contentsOf(t, out)) != "precious" {
			t.Errorf("%v: %v; the old file holds %q", args, err, contentsOf(t, out))
		}
	}
	if err := os.WriteFile(image, good, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "export", image, out, "--force")
	mustRun(t, "check", out)
	s, err := os.Stat(out)
	if err != nil || s.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", s.Mode(), err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
}
