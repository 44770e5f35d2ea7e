// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWaitForUdev(t *testing.T) {
	dir, began := t.TempDir(), time.Now()
	if waitForUdev(t.Context(), dir, "/dev/null") || time.Since(began) >= udevPatience {
		t.Error("it waits for an udevd that does not run")
	}
	if err := os.WriteFile(filepath.Join(dir, "control"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if waitForUdev(short, dir, "/dev/null") {
		t.Error("udevd does not know it")
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		os.Mkdir(filepath.Join(dir, "data"), 0o700)
		os.WriteFile(filepath.Join(dir, "data", "b1:3"), nil, 0o600) // /dev/null is 1:3
	}()
	if !waitForUdev(t.Context(), dir, "/dev/null") {
		t.Error("udevd knows it")
	}
}
