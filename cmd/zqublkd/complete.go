// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/createoptions"
	"zqublkd/internal/devicelist"
	"zqublkd/internal/engine"
	"zqublkd/internal/fault"
	"zqublkd/internal/importer"
	"zqublkd/internal/profile"
	"zqublkd/internal/server"
)

// completeDevices completes a device by number, node or name; with all, if that
// may be said.
func completeDevices(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	runDir, err := c.Flags().GetString("run-dir")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	records, err := server.Records(runDir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, r := range records {
		id := strconv.FormatUint(uint64(r.ID), 10)
		if slices.Contains(args, r.Node) || slices.Contains(args, id) || slices.Contains(args, r.Name) {
			continue
		}
		words = append(words, fmt.Sprintf("%s\t%s, %s", r.Node, r.Name, r.Image), fmt.Sprintf("%s\t%s", r.Name, r.Node))
	}
	if strings.Contains(c.Use, allDevices) && len(args) == 0 && len(records) > 0 {
		words = append(words, allDevices+"\tevery device")
	}
	return words, cobra.ShellCompDirectiveDefault // or the file of an image
}

// completeNothing is for what takes no file.
func completeNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeFile is for what takes any file.
func completeFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// firstly completes the first argument by one, and those after it by another.
func firstly(first, then cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return first(c, args, typed)
		}
		return then(c, args, typed)
	}
}

// completeFlag completes the value of a flag by the values it may have.
func completeFlag(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag,
		cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag
	}
}

// completeList completes the last word of a list with commas.
func completeList(c *cobra.Command, flag string, words func(before []string) []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string,
		cobra.ShellCompDirective) {
		at := strings.LastIndex(typed, ",") + 1
		var list []string
		for _, w := range words(strings.Split(typed[:at], ",")) {
			list = append(list, typed[:at]+w)
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	if err != nil {
		panic(err) // there is no such flag
	}
}

// completeOptions completes -o: keys that are not given yet, and their values.
func completeOptions(c *cobra.Command, options []createoptions.Option) {
	completeList(c, "option", func(before []string) []string {
		var words []string
		for _, o := range options {
			given := slices.ContainsFunc(before, func(pair string) bool { return strings.HasPrefix(pair, o.Key+"=") })
			if given {
				continue
			}
			if len(o.Values) == 0 {
				words = append(words, o.Key+"=")
			}
			for _, v := range o.Values {
				words = append(words, o.Key+"="+v)
			}
		}
		return words
	})
}

// addCompletions tells shells what arguments and flags may be, verb by verb.
func addCompletions(root *cobra.Command) {
	values := map[string][]string{
		"recovery":  {string(server.RecoveryOff), string(server.RecoveryReissue)},
		"cache":     {string(engine.CacheNone), string(engine.CacheWriteback)},
		"zero-copy": {string(server.ZeroCopyAuto), string(server.ZeroCopyOff)},
		"condition": {"read-only", "offline", "full", "normal"}, "mode": {cutRandom, cutLose},
		"status": fault.Statuses(), "profile": profile.Names(),
		"repair": {"leaks", "all"}, "format": {importer.FormatRaw, importer.FormatQcow2, importer.FormatZbd},
		"log-level": {"error", "warn", "info", "debug", "trace"},
	}
	for _, o := range createoptions.All {
		values[o.Flag] = o.Values
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for flag, words := range values {
			if c.Name() == "export" && flag == "format" { // fewer than import
				continue
			}
			if c.Flags().Lookup(flag) != nil || c.PersistentFlags().Lookup(flag) != nil {
				completeFlag(c, flag, words...)
			}
		}
		if c.Flags().Lookup("snapshot-id") != nil {
			if err := c.RegisterFlagCompletionFunc("snapshot-id", completeSnapshots); err != nil {
				panic(err) // it has one already
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	addArgCompletions(root)
}

// addArgCompletions tells shells what the arguments of verbs may be, and of flags that mean
// something of their own.
func addArgCompletions(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "bench":
			completeFlag(c, "op", "read", "write", "append")
		case "fault":
			for _, sub := range c.Commands() {
				sub.ValidArgsFunction = completeDevices
				if sub.Name() == "add" {
					completeFlag(sub, "op", strings.Split(joined(fault.Ops), ", ")...)
				}
			}
		case "list", "del", "reset-to-base", "recover", "upgrade", "errors", "top", "powercut", "trace", "share",
			"unshare":
			c.ValidArgsFunction = completeDevices
		case "resize":
			c.ValidArgsFunction = firstly(completeDevices, completeNothing)
		case "snapshot":
			for _, sub := range c.Commands() {
				then := completeNothing
				if sub.Name() == "apply" || sub.Name() == "delete" {
					then = completeSnapshots
				}
				sub.ValidArgsFunction = firstly(completeFile, then)
			}
		case "features":
			c.ValidArgsFunction = completeNothing
		case "create", "import":
			completeOptions(c, createoptions.All)
		case "export":
			completeFlag(c, "format", importer.FormatQcow2, importer.FormatRaw)
		case "amend":
			completeOptions(c, amendOptions())
		}
		if c.Name() == "list" {
			completeList(c, "output", func([]string) []string { return devicelist.Names() })
		}
	}
}
