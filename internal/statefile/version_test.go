// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/zoned"
)

// A state file of an older program is refused in words: what it lacks is not made up.
func TestC03_OlderVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	shape := Shape{Geometry: zoned.Geometry{Size: 1 << 20, ZoneSize: 1 << 18, ZoneCapacity: 1 << 18}, Queues: 1, Tag: 4}
	s, err := Create(path, shape)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if s, err = Take(path, shape); err != nil {
		t.Fatal(err)
	}
	s.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[8] = 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(path, shape); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "version 1") ||
		!strings.Contains(err.Error(), "delete the device") {
		t.Errorf("state of version 1: %v", err)
	}
}
