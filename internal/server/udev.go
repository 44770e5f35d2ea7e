// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// udevDir is where udevd keeps what it knows.
const udevDir = "/run/udev"

// udevPatience bounds the wait for udevd, without which a device can be used, too.
const udevPatience = 5 * time.Second

// waitForUdev waits until udevd, if it runs, has looked at a new node: its links
// are there then. It reports whether they are.
func waitForUdev(ctx context.Context, dir, node string) bool {
	var st unix.Stat_t
	if _, err := os.Stat(filepath.Join(dir, "control")); err != nil || unix.Stat(node, &st) != nil {
		return false
	}
	known := filepath.Join(dir, "data", fmt.Sprintf("b%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
	ctx, cancel := context.WithTimeout(ctx, udevPatience)
	defer cancel()
	for {
		if _, err := os.Stat(known); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}
