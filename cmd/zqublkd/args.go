package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// exactly wants the arguments that names lists, no more and no less.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usageError{fmt.Errorf("%s: %d arguments given, want %v; see `%s --help`", c.Name(), len(args), names, c.CommandPath())}
		}
		return nil
	}
}
