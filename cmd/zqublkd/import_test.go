// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImport(t *testing.T) {
	dir := t.TempDir()
	disk, image := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	data := make([]byte, 5<<20)
	data[1<<20] = 1
	if err := os.WriteFile(disk, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out := mustRun(t, "import", "-o", "zone.size=1M,zone.revision=v14", disk, image)
	if !strings.Contains(out, "5 zones of 1M") || !strings.Contains(out, "layout v14") {
		t.Errorf("import said %q", out)
	}
	if report := mustRun(t, "report", image); strings.Count(report, "zcond: 4(cl)") != 1 {
		t.Errorf("report:\n%s", report)
	}
	mustRun(t, "check", image)
	_, err := run("import", "--format", "vmdk", disk, image)
	if err == nil || exitCode(err) != exitUsage {
		t.Errorf("format vmdk: %v", err)
	}
}
