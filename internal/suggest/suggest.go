// SPDX-License-Identifier: Apache-2.0

// Package suggest finds the word that somebody meant who has typed another.
package suggest

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// DidYouMean returns ": did you mean X?" if one of the words is close to what was
// typed, else nothing.
func DidYouMean(typed string, words []string) string {
	word := strings.TrimLeft(strings.ToLower(typed), "-")
	best, least := "", len(word)/3+2 // more changes than that are another word
	for _, w := range words {
		bare := strings.TrimLeft(w, "-")
		n := levenshtein.ComputeDistance(word, bare)
		if len(word) >= 3 && strings.HasPrefix(bare, word) {
			n = min(n, 1)
		}
		if n < least {
			best, least = w, n
		}
	}
	if best == "" || least >= len(word) {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", best)
}
