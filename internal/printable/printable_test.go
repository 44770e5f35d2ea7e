// SPDX-License-Identifier: Apache-2.0

package printable

import "testing"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"disk 1.qcow2":               "disk 1.qcow2",
		"größer":                     "größer",
		`C:\disk`:                    `C:\disk`,
		"\x1b]0;owned\x07":           `"\x1b]0;owned\a"`,
		"a\nimage: b":                `"a\nimage: b"`,
		"\u009b31m":                  `"\u009b31m"`,
		"safe\u202egpj":              `"safe\u202egpj"`,
		"\xff\xfe":                   `"\xff\xfe"`,
		`"quoted"`:                   `"\"quoted\""`,
		"no-break\u00a0or\u200bzero": `"no-break\u00a0or\u200bzero"`,
	} {
		if got := Text(in); got != want {
			t.Errorf("%q is printed as %s, want %s", in, got, want)
		}
	}
}

// FuzzText: what is printed has no control character, and two texts are never
// printed alike.
func FuzzText(f *testing.F) {
	f.Add("a", "\x1b[31m")
	f.Add(`"a"`, "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		if x, y := Text(a), Text(b); (x == y) != (a == b) {
			t.Errorf("%q and %q are printed as %s and %s", a, b, x, y)
		}
		for _, r := range Text(a) {
			if hidden(r) {
				t.Errorf("%q is printed with %q", a, r)
			}
		}
	})
}
