// SPDX-License-Identifier: Apache-2.0

package qcow2test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/check"
)

// MustCheck checks an image; the check has to complete.
func MustCheck(t testing.TB, f storage.File, o check.Options) *check.Report {
	t.Helper()
	r, err := check.Check(f, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Text is what a user reads of a report.
func Text(r *check.Report) string {
	var b strings.Builder
	r.WriteText(&b)
	return b.String()
}

// MustBeSound runs the image check: no corruptions ever, no leaks if asked.
func MustBeSound(t interface{ Fatalf(string, ...any) }, f storage.File, noLeaks bool) {
	r, err := check.Check(f, check.Options{})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if r.Corruptions != 0 || noLeaks && r.Leaks != 0 {
		var b bytes.Buffer
		fmt.Fprint(&b, Text(r))
		t.Fatalf("check says:\n%s", b.String())
	}
}
