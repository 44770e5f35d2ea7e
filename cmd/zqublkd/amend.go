// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/createoptions"
	"zqublkd/internal/imageinfo"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

func newAmend() *cobra.Command {
	var list []string
	c := &cobra.Command{
		Use:   "amend -o zone.revision=LAYOUT IMAGE",
		Short: "Convert a zoned image in place to another layout of its zone metadata",
		Long: `Convert a zoned image in place to another layout of its zone metadata: ` + strings.Join(format.Revisions, ", ") + `.
Zones and data stay as they are; interrupted at any point, the image is the old
or the new one. What the new layout has no field for is lost, and said. (qemu-img
calls the change of an image's options in place so; its convert makes a copy.)

  zqublkd amend -o zone.revision=v14 disk.qcow2`,
		Args: func(c *cobra.Command, args []string) error {
			if createoptions.IsHelp(list) {
				return nil
			}
			return exactly("IMAGE")(c, args)
		},
	}
	c.Flags().StringArrayVarP(&list, "option", "o", nil, "options as key=value; only zone.revision can be changed; help lists it")
	idle, quiet, stop := addIdle(c), addQuiet(c), new(stopper)
	c.RunE = func(c *cobra.Command, args []string) error {
		if createoptions.IsHelp(list) {
			return createoptions.Print(c.OutOrStdout(), amendOptions())
		}
		o, err := parseAmend(list)
		if err != nil {
			return usageError{err}
		}
		if err := idle(args[0]); err != nil {
			return err
		}
		w := c.OutOrStdout()
		if *quiet {
			w = io.Discard
		}
		tell, end := stop.progress(c.ErrOrStderr(), "amend", *quiet)
		o.Progress = tell
		return amend(w, args[0], o, end)
	}
	stop.mind(c, "the image has its old layout")
	return c
}

// amendOptions are the options of create that can be changed later.
func amendOptions() []createoptions.Option {
	k := slices.IndexFunc(createoptions.All, func(o createoptions.Option) bool { return o.Key == "zone.revision" })
	return createoptions.All[k : k+1]
}

func parseAmend(list []string) (qcow2.AmendOptions, error) {
	var o qcow2.AmendOptions
	for _, pair := range strings.Split(strings.Join(list, ","), ",") {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "":
		case "zone.revision", "zone-revision":
			o.Revision = value
		default:
			return o, fmt.Errorf("-o %s: an image's zone.revision can be changed, nothing else", key)
		}
	}
	if o.Revision == "" {
		return o, fmt.Errorf("nothing to change: give -o zone.revision=%s", strings.Join(format.Revisions, "|"))
	}
	return o, nil
}

// amend converts an image and says so, once its progress has ended.
func amend(w io.Writer, path string, o qcow2.AmendOptions, ended func()) error {
	f, err := storage.Open(path, storage.Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	done, err := qcow2.Amend(f, o)
	ended()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !done.Changed {
		fmt.Fprintf(w, "%s has layout %s already\n", path, done.To)
		return nil
	}
	fmt.Fprintf(w, "amended %s: layout %s became %s\n", path, done.From, done.To)
	for _, what := range done.Lost {
		fmt.Fprintf(w, "lost: %s\n", what)
	}
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintln(w, imageinfo.Compatibility(img))
	return nil
}
