// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exactly wants the arguments that names lists, no more and no less.
func exactly(names ...string) cobra.PositionalArgs { return between(len(names), names...) }

// between wants the arguments that names lists, of which only the first few must
// be there.
func between(least int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= len(names) {
			return nil
		}
		wanted := "no arguments"
		if len(names) > 0 {
			wanted = strings.Join(names[:least], " ")
		}
		for _, name := range names[least:] {
			wanted += " [" + name + "]"
		}
		given := "none is given"
		if len(args) > 0 {
			given = fmt.Sprintf("these %d are given: %q", len(args), args)
		}
		return usageError{fmt.Errorf("%s: arguments must be %s, and %s; see `%s --help`", path(c), strings.TrimSpace(wanted), given, c.CommandPath())}
	}
}
