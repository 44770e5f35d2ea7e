// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"io"
	"testing"
)

// Run runs the command in a machine for a test: what it says goes to the test's log as well as to
// the config's writers, and any error is fatal. An exit status other than 0 is for the caller to
// judge.
func Run(t testing.TB, c Config, argv ...string) Result {
	t.Helper()
	c = c.withDefaults()
	c.Stdout = io.MultiWriter(c.Stdout, t.Output())
	c.Stderr = io.MultiWriter(c.Stderr, t.Output())
	result, err := c.Run(t.Context(), argv...)
	if err != nil {
		t.Fatalf("vm, Linux %s, %q: %v", c.Kernel, argv, err)
	}
	t.Logf("vm: Linux %s on %s, status %d, command after %.1f s, power off after %.1f s", c.Kernel, ThisHost(),
		result.Status, result.Booted.Seconds(), result.Took.Seconds())
	return result
}
