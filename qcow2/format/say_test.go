// SPDX-License-Identifier: Apache-2.0

package format

import (
	"errors"
	"strings"
	"testing"
)

// mustSay: the error is of a kind and names the thing, in one line.
func mustSay(t *testing.T, err, is error, says string) {
	t.Helper()
	if !errors.Is(err, is) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, want one line, %q, that says %q", err, is, says)
	}
}
