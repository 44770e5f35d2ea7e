// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"os"
	"testing"
)

// TestOpenControlWithoutDriver runs where the driver isn't loaded; where it is, the control node
// must open.
func TestOpenControlWithoutDriver(t *testing.T) {
	_, statErr := os.Stat(ControlPath)
	c, err := OpenControl()
	switch {
	case statErr == nil:
		must(t, err)
		must(t, c.Close())
		must(t, c.Close())
		if _, err := c.Features(); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed control answered %v", err)
		}
	case !errors.Is(err, ErrNoDriver) || !errors.Is(err, os.ErrNotExist):
		t.Errorf("no driver: %v", err)
	}
}
