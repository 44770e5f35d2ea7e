// SPDX-License-Identifier: Apache-2.0

// Package printable makes text that others chose fit to be printed: names found
// in an image, names of processes, and errors that quote either. Such text could
// hold escape sequences that a terminal obeys, or line ends that forge output.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s as it is if all of it can be seen and it can't be taken for
// quoted text, and else in quotes, with what can't be seen as Go spells it.
func Text(s string) string {
	if !utf8.ValidString(s) || strings.HasPrefix(s, `"`) || strings.ContainsFunc(s, hidden) {
		return strconv.Quote(s)
	}
	return s
}

func hidden(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }
