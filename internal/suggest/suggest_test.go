// SPDX-License-Identifier: Apache-2.0

package suggest

import "testing"

func TestDidYouMean(t *testing.T) {
	verbs := []string{"add", "del", "list", "replay", "report", "reset-to-base", "snapshot"}
	flags := []string{"--read-only", "--recovery", "--recovery-limit"}
	for _, c := range []struct {
		typed string
		words []string
		want  string
	}{
		{"lsit", verbs, "list"},
		{"LIST", verbs, "list"},
		{"reprot", verbs, "report"},
		{"reset", verbs, "reset-to-base"}, // a beginning is close, however long the rest
		{"snap", verbs, "snapshot"},
		{"--recover", flags, "--recovery"}, // of two that begin so the first
		{"readonly", flags, "--read-only"},
		{"ad", verbs, "add"},
		{"xy", verbs, ""}, // as many changes as letters
		{"benchmark", verbs, ""},
		{"", verbs, ""},
		{"list", nil, ""},
	} {
		want := ""
		if c.want != "" {
			want = ": did you mean " + c.want + "?"
		}
		if got := DidYouMean(c.typed, c.words); got != want {
			t.Errorf("%q: %q, want %q", c.typed, got, want)
		}
	}
}
