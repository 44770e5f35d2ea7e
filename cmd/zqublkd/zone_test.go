// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

func TestParseRuns(t *testing.T) {
	got, err := parseRuns([]string{"3", "7-9", "0"}, "offline")
	want := []format.ConditionRun{{First: 3, Zones: 1, Condition: format.ZoneOffline},
		{First: 7, Zones: 3, Condition: format.ZoneOffline}, {First: 0, Zones: 1, Condition: format.ZoneOffline}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for name, c := range map[string]struct{ zones, condition, says string }{
		"no condition": {"1", "", "must be read-only, offline or normal"},
		"no such":      {"1", "full", `"full": must be`},
		"falling":      {"9-7", "offline", `"9-7"`},
		"half":         {"9-", "offline", `"9-"`},
		"negative":     {"-1", "offline", `"-1"`},
		"word":         {"all", "offline", `"all"`},
		"too large":    {"4294967296", "offline", "4294967296"},
		"largest":      {"0-4294967295", "offline", "0-4294967295"},
	} {
		if _, err := parseRuns([]string{c.zones}, c.condition); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parseRuns(nil, "offline"); err == nil || !strings.Contains(err.Error(), "--zone") {
		t.Errorf("no zones: %v", err)
	}
}

// runs a command line; the text is stdout and stderr.
func runCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return run(args...)
}

func TestZoneSet(t *testing.T) {
	dir := t.TempDir()
	image, plain, run := filepath.Join(dir, "d.qcow2"), filepath.Join(dir, "p.qcow2"), filepath.Join(dir, "run")
	for path, o := range map[string]qcow2.CreateOptions{
		image: {Size: 8 << 20, Zone: &qcow2.ZoneOptions{Size: 1 << 20, Conventional: 1}}, plain: {Size: 8 << 20}} {
		f, err := storage.Create(path, false)
		if err == nil {
			err = errors.Join(qcow2.Create(f, o), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set := func(path, zones, condition string) error {
		_, err := runCommand(t, "zone", "set", path, "--zone", zones, "--condition", condition, "--run-dir", run)
		return err
	}
	for _, err := range []error{set(image, "2-3", "read-only"), set(image, "3,5", "offline"), set(image, "5", "normal")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := runCommand(t, "report", image)
	lines := strings.Split(out, "\n")
	if err != nil || !strings.Contains(lines[2], "zcond:13(ro)") || !strings.Contains(lines[3], "zcond:15(of)") || !strings.Contains(lines[5], "zcond: 1(em)") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _ = runCommand(t, "info", image); !strings.Contains(out, "5 empty, 1 read-only, 1 offline") {
		t.Error(out)
	}
	if out, err = runCommand(t, "export", image, filepath.Join(dir, "out")); err != nil || out != "zqublkd: note: offline zones are zeros in the export: 3\n" {
		t.Errorf("%q %v", out, err)
	}
	for says, err := range map[string]error{
		"zone=0: conventional zones": set(image, "0", "offline"),
		"zone=8: the image has":      set(image, "8", "offline"),
		"plain image":                set(plain, "1", "offline"),
	} {
		if err == nil || !strings.Contains(err.Error(), says) || exitCode(err) != exitUsage {
			t.Errorf("%s: %v", says, err)
		}
	}
	f, err := storage.Open(image, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := set(image, "2", "normal"); exitCode(err) != exitInUse {
		t.Errorf("in use: %v", err)
	}
}
