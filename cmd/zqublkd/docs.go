// SPDX-License-Identifier: Apache-2.0

//go:build docs

package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// A program built with the tag docs writes man pages of all verbs and the
// completions for shells; the one that is installed does without what that takes.
func init() { extraVerbs = append(extraVerbs, newDocs) }

func newDocs() *cobra.Command {
	return &cobra.Command{
		Use:    "docs FOLDER",
		Short:  "Write man pages and completions",
		Args:   exactly("FOLDER"),
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			root.DisableAutoGenTag = true
			return writeDocs(root, args[0])
		},
	}
}

func writeDocs(root *cobra.Command, folder string) error {
	man := filepath.Join(folder, "man8")
	if err := os.MkdirAll(man, 0o755); err != nil {
		return err
	}
	// One date for all builds of a source: that of SOURCE_DATE_EPOCH, which GenManTree reads.
	header := doc.GenManHeader{Section: "8", Source: "zqublkd " + release, Manual: "Zoned block devices"}
	if os.Getenv("SOURCE_DATE_EPOCH") == "" {
		now := time.Now()
		header.Date = &now
	}
	root.InitDefaultCompletionCmd() // one page for each shell says nothing that --help does not
	for _, c := range root.Commands() {
		c.Hidden = c.Hidden || c.Name() == "completion"
	}
	if err := doc.GenManTree(root, &header, man); err != nil {
		return err
	}
	for name, write := range map[string]func(string) error{
		"zqublkd.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_zqublkd":     root.GenZshCompletionFile,
		"zqublkd.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
	} {
		if err := write(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}
