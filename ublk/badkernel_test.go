// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestKnownBad: releases as distributions spell them.
func TestKnownBad(t *testing.T) {
	for release, bad := range map[string]bool{
		"6.18.4":                       true,
		"6.18.5":                       true,
		"6.18.4-arch1-1":               true,
		"6.18.5-zabbly+":               true,
		"6.18.5-200.fc43.x86_64":       true,
		"6.18.5+deb14-amd64":           true,
		"6.17.0-1015-azure":            true,
		"6.17.0-1018-azure":            true,
		"6.17.0-1015-azure-fde":        true,
		"6.18.3":                       false,
		"6.18.6":                       false,
		"6.18.40":                      false,
		"6.18.50-arch1-1":              false,
		"6.18":                         false,
		"6.18.0-4-amd64":               false,
		"16.18.4":                      false,
		"6.17.0-1014-azure":            false,
		"6.17.0-1019-azure":            false,
		"6.17.0-1015-aws":              false,
		"6.17.0-10150-azure":           false,
		"6.12.57+deb13-amd64":          false,
		"7.3.4+deb14-amd64":            false,
		"6.17.0-14-generic":            false,
		"":                             false,
		"6.1.0-41-amd64 (not 6.18.4)":  false,
		"6.6.87.2-microsoft-standard":  false,
		"5.15.0-6.18.4-generic-azure":  false,
		"6.18.4.1-somebody-else-fixed": false,
	} {
		err := KnownBad(release)
		var known *BadKernelError
		if errors.As(err, &known) != bad {
			t.Errorf("%q: %v", release, err)
		}
		if bad && !(strings.Contains(err.Error(), release) && strings.Contains(err.Error(), "6.18.6")) {
			t.Errorf("%q: the error names neither the kernel nor the way out: %v", release, err)
		}
	}
}

// TestKernelRelease: it is what /proc says, without the zeros behind it.
func TestKernelRelease(t *testing.T) {
	want, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if got := KernelRelease(); got != strings.TrimSpace(string(want)) {
		t.Errorf("%q, want %q", got, want)
	}
}
