// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestPicture makes README's picture: what `zones --svg` draws of an image whose
// zones are in every condition that one can have while nobody serves it.
func TestPicture(t *testing.T) {
	const zone, zones = 64 << 10, 256
	page, err := filepath.Abs("../../docs/zones.svg")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	disk := make([]byte, zone*zones)
	for z := range zones * 5 / 8 {
		full := zone
		switch {
		case z%7 == 3:
			continue
		case z%5 == 4:
			full = zone * (z * 13 % 16) / 16
		}
		copy(disk[z*zone:], bytes.Repeat([]byte("data"), full/4))
	}
	if err := os.WriteFile("raw", disk, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "import", "-q", "-o", "zone.size=64K,zone.conventional_zones=8,cluster_size=4K", "--format", "raw", "raw", "disk.qcow2")
	mustRun(t, "zone", "set", "disk.qcow2", "--zone", "77,140-142", "--condition", "read-only")
	mustRun(t, "zone", "set", "disk.qcow2", "--zone", "200", "--condition", "offline")
	mustRun(t, "zones", "--svg", "zones.svg", "disk.qcow2")
	got, err := os.ReadFile("zones.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(got, []byte("offline")) {
		t.Error("no offline zone in the picture")
	}
	golden(t, page, string(got))
}
