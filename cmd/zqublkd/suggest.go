// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zqublkd/internal/suggest"
)

// group makes c a verb that has only verbs below it: without one of them, or with
// an unknown one, it is an error that names them.
func group(c *cobra.Command) {
	c.FParseErrWhitelist.UnknownFlags = true // they may belong to what was meant
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("%s: say what to do: %s", path(c), strings.Join(verbsOf(c), ", "))}
		}
		return unknownVerb(c, args[0])
	}
}

func unknownVerb(c *cobra.Command, typed string) error {
	return usageError{fmt.Errorf("%s has no verb %q%s; it has %s", c.CommandPath(), typed,
		suggest.DidYouMean(typed, verbsOf(c)), strings.Join(verbsOf(c), ", "))}
}

// path is a command without the program's name.
func path(c *cobra.Command) string { return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ") }

func verbsOf(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names = append(names, sub.Name())
		}
	}
	return names
}

// inOurWords says what cobra says of an unknown verb as we say it.
func inOurWords(root *cobra.Command, err error) error {
	rest, ok := strings.CutPrefix(err.Error(), "unknown command ")
	if !ok {
		return err
	}
	quoted, e := strconv.QuotedPrefix(rest)
	typed, e2 := strconv.Unquote(quoted)
	if e != nil || e2 != nil {
		return usageError{err}
	}
	_, of, _ := strings.Cut(rest[len(quoted):], root.Name())
	if c, _, err := root.Find(strings.Fields(strings.Trim(of, ` "`))); err == nil {
		root = c
	}
	return unknownVerb(root, typed)
}

// newHelp is the verb help, that knows when there is no such verb.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Say what a verb does and which flags it has",
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			switch {
			case err != nil:
				return err
			case len(rest) > 0:
				return unknownVerb(of, rest[0])
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return verbsOf(of), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// flagError says what is wrong with a flag, without the words of Go's libraries.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = fmt.Errorf("%s: no flag -%s; see `%s --help`", path(c), unknown.GetSpecifiedName(), c.CommandPath())
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		err = fmt.Errorf("%s: no flag --%s%s; see `%s --help`", path(c), name,
			suggest.DidYouMean("--"+name, flagNames(c)), c.CommandPath())
	case errors.As(err, &missing):
		err = fmt.Errorf("%s: --%s needs a value: %s", path(c), missing.GetFlag().Name, missing.GetFlag().Usage)
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		err = fmt.Errorf("--%s %q: must be %s", f.Name, invalid.GetValue(), kinds[f.Value.Type()])
		if kinds[f.Value.Type()] == "" { // a type of ours says it itself
			err = fmt.Errorf("--%s: %w", f.Name, errors.Unwrap(invalid))
		}
	}
	return usageError{err}
}

// kinds are the values that flags take, by the name that pflag has for their type.
var kinds = map[string]string{
	"bool": "true or false", "duration": "a time such as 30s or 5m",
	"int": "a whole number", "int32": "a whole number", "uint": "a whole number, 0 or more",
	"uint64": "a whole number, 0 or more",
	"uint16": "a whole number from 0 to 65535",
}

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	slices.Sort(names)
	return names
}
