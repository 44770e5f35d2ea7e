// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zqublkd/internal/server"
	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/zoned"
)

// deadDaemon records one of an image in a run directory, with a state that the
// next daemon would go on with, and returns the path of the state file.
func deadDaemon(t *testing.T, runDir, image string) string {
	t.Helper()
	dir := filepath.Join(runDir, "0")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(server.Record{
		Options: server.Options{Image: image, Recovery: server.RecoveryOff, RunDir: runDir}, Zoned: true, Start: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "record.json"), record, 0o600); err != nil {
		t.Fatal(err)
	}
	boot, err := statefile.BootID()
	if err != nil {
		t.Fatal(err)
	}
	geo := zoned.Geometry{Size: 64 << 20, ZoneSize: 1 << 20, ZoneCapacity: 1 << 20}
	s, err := statefile.Create(filepath.Join(dir, "state"), statefile.Shape{BootID: boot, Geometry: geo, Queues: 1, Tag: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	entries := make([]zoned.Entry, geo.Zones())
	for i := range entries {
		entries[i].WP = geo.Start(uint32(i))
	}
	zones, err := zoned.New(geo, zoned.Limits{}, slices.Values(entries), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Fill(zones)
	return filepath.Join(dir, "state")
}

// A check that is told of lost writes is the only one that is: it leaves word for
// the next daemon. A repair then need not wait for that.
func TestC07_CheckLeavesWord(t *testing.T) {
	h := storagetest.NewThin(t)
	runDir, image := t.TempDir(), filepath.Join(h.Dir, "disk.qcow2")
	mustRun(t, "create", "-o", "size=64M,zone.mode=host-managed,zone.size=1M", image)
	h.Trim()
	state := deadDaemon(t, runDir, image)
	if _, err := run("check", "--repair", "leaks", "--run-dir", runDir, image); !errors.Is(err, storage.ErrInUse) {
		t.Fatalf("a repair does not wait: %v", err)
	}
	h.Fill(0)
	f, err := os.OpenFile(image, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := run("check", "--run-dir", runDir, image); !errors.Is(err, storage.ErrUnsettled) {
		t.Errorf("check: %v", err)
	}
	if m, err := statefile.ReadMarks(state); err != nil || !m.Frozen {
		t.Errorf("the next daemon does not know: %+v, %v", m, err)
	}
	h.Room()
	mustRun(t, "check", "--repair", "leaks", "--run-dir", runDir, image)
}
