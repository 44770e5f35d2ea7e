// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"runtime"
	"strings"
	"testing"
)

// What is measured twice is the same, within what the guest's kernel takes for one frequency.
func TestTSC(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		if khz := tscKHz(); khz != 0 {
			t.Errorf("%d kHz on %s", khz, runtime.GOARCH)
		}
		return
	}
	a, b := tscKHz(), tscKHz()
	if a < 100_000 || a > 10_000_000 || max(a, b)-min(a, b) > a/1000 {
		t.Errorf("%d and %d kHz", a, b)
	}
	for _, c := range []struct {
		name string
		a    Accelerator
		told bool
	}{{"emulated", Accelerator{}, true}, {"KVM", Accelerator{KVM: true}, false}} {
		if got := strings.Contains(commandLine(Config{}, c.a), " tsc_early_khz="); got != c.told {
			t.Errorf("%s: told: %t", c.name, got)
		}
	}
}
