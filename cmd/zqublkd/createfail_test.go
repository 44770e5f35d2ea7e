// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// createLimited runs create in a process whose files may have 4096 bytes, and
// fails unless that is an error which is told, and not the end of the process by
// a signal.
func createLimited(t *testing.T, args ...string) {
	t.Helper()
	line := append([]string{"-c", `ulimit -f 8; exec "$0" create "$@"`, os.Args[0]}, args...)
	out, err := exec.Command("sh", line...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "file too large") {
		t.Fatalf("%v: %s", err, out)
	}
}

// A create that finds no room removes what it began, so that the next one is not
// told that there is an image already.
func TestC10_CreateLeavesNoStub(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.qcow2")
	createLimited(t, "-o", "size=64M", image)
	if _, err := os.Stat(image); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	mustRun(t, "create", "-o", "size=64M", image)
	mustRun(t, "check", image)
	createLimited(t, "-o", "size=128M", "--force", image)
	mustRun(t, "check", image)
}
