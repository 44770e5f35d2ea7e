// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/server"
	"zqublkd/internal/storage"
)

// TestC13_WritingVerbs: every verb that changes an image refuses one whose device
// waits for its next daemon, by another path too, and leaves it as it is.
func TestC13_WritingVerbs(t *testing.T) {
	dir := t.TempDir()
	image, other, run := filepath.Join(dir, "d.qcow2"), filepath.Join(dir, "other"), filepath.Join(dir, "run")
	over, alone := filepath.Join(dir, "over"), filepath.Join(dir, "alone")
	for _, args := range [][]string{
		{"create", "-o", "size=8M,zone.mode=host-managed,zone.size=1M", image},
		{"create", "-b", image, over},
		{"create", "-o", "size=1M", alone},
	} {
		if text, err := runCommand(t, append(args, "--run-dir", run)...); err != nil {
			t.Fatal(err, text)
		}
	}
	if err := errors.Join(os.Link(image, other), os.MkdirAll(filepath.Join(run, "0"), 0o755)); err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(server.Record{Options: server.Options{Image: image, Recovery: server.RecoveryReissue, RunDir: run}, Node: "/dev/ublkb0"})
	if err == nil {
		err = os.WriteFile(filepath.Join(run, "0", "record.json"), record, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{image, other} {
		for _, args := range [][]string{
			{"check", "--repair", "all", path},
			{"check", "--repair", "leaks", path},
			{"amend", "-o", "zone.revision=v14", path},
			{"import", "--force", "--format", "raw", "-o", "zone.size=512K", raw, path},
			{"create", "--force", "-o", "size=8M", path},
			{"export", "--force", raw, path},
			{"salvage", "--force", raw, path},
			{"salvage", path, filepath.Join(dir, "out")},
			{"convert", "--force", alone, path},
			{"resize", path, "+1M"},
			{"snapshot", "create", path, "one"},
			{"snapshot", "-a", "one", path},
			{"snapshot", "delete", path, "one"},
			{"compact", path},
			{"commit", "--allow-backing", path},
			{"commit", "--allow-backing", over},
			{"commit", "--allow-backing", "-d", over},
			{"rebase", "-b", "", path},
			{"rebase", "-u", "-b", "", path},
			{"rebase", "--allow-backing", "-b", path, over},
			{"zone", "reset", path, "--all"},
			{"zone", "finish", path, "--zone", "1"},
			{"zone", "set", path, "--zone", "1", "--condition", "offline"},
		} {
			if text, err := runCommand(t, append(args, "--run-dir", run)...); !errors.Is(err, storage.ErrInUse) {
				t.Errorf("%v: %v %s", args, err, text)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s has changed: %v", path, err)
		}
	}
	if text, err := runCommand(t, "check", image, "--run-dir", run); err != nil {
		t.Errorf("check without repair: %v %s", err, text)
	}
}
