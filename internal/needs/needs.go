// SPDX-License-Identifier: Apache-2.0

// Package needs says what a test needs of the machine it runs on. A person who runs
// one package without it is told so, and the test is skipped. `make test` has
// installed all of it before (tests/vm/setup), so that there a skipped test is a
// failed one: EverythingIsHere is set.
package needs

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// EverythingIsHere is the environment variable that turns what is missing into a
// failure, whatever its value.
const EverythingIsHere = "ZQUBLKD_EVERYTHING_IS_HERE"

// Missing ends a test that can't do without something: what, and how to get it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	what := fmt.Sprintf(format, args...)
	if _, all := os.LookupEnv(EverythingIsHere); all {
		t.Fatalf("%s; with %s set that is no reason to leave a test out", what, EverythingIsHere)
	}
	t.Skip(what)
}

// Root ends a test of somebody who may not do what it does: mount, make block
// devices, be another user.
func Root(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root: %s", why)
	}
}

// Programs ends a test without one of the programs, which a package of Debian has.
func Programs(t testing.TB, pkg string, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(t, "%s is not installed (apt-get install %s)", name, pkg)
		}
	}
}
