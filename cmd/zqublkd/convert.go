// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/createoptions"
	"zqublkd/internal/engine"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/output"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
)

func newConvert() *cobra.Command {
	var list []string
	var force bool
	var allow engine.Allow
	c := &cobra.Command{
		Use:   "convert IMAGE OUT",
		Short: "Write a zoned image, or a chain of overlays, as one zoned image that stands alone",
		Long: `Write a zoned image, or a chain of overlays, as one zoned image that stands alone:
zones, limits, conditions, write pointers and the data below them. Options are those
of create; of zones zone.revision only. A plain copy is what export writes.`,
		Example: "  zqublkd convert --allow-backing overlay.qcow2 golden2.qcow2\n  zqublkd convert -o zone.revision=v14,cluster_size=1M disk.qcow2 other.qcow2",
		Args: func(c *cobra.Command, args []string) error {
			if createoptions.IsHelp(list) {
				return nil
			}
			return exactly("IMAGE", "OUT")(c, args)
		},
	}
	c.Flags().StringArrayVarP(&list, "option", "o", nil, "options of OUT as key=value,..., as create has them; help lists them")
	c.Flags().BoolVar(&force, "force", false, "replace an existing image, once the new one is complete")
	addAllow(c, &allow)
	idle, quiet := addIdle(c), addQuiet(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if createoptions.IsHelp(list) {
			return createoptions.Print(c.OutOrStdout(), importOptions())
		}
		o, err := createoptions.Parse(append([]string{"zone.mode=host-managed"}, list...), nil)
		switch {
		case err != nil:
			return usageError{err}
		case o.Backing != nil:
			return usageError{errors.New("-o backing_file: what is converted stands alone; create -b makes an overlay")}
		}
		if err := errors.Join(idle(args[0]), idle(args[1])); err != nil {
			return err
		}
		p := output.NewProgress(c.ErrOrStderr(), "convert", *quiet)
		defer p.End()
		return convertImage(c, args[0], args[1], o, following(allow), force, p)
	}
	interruptible(c, "no image was made")
	return c
}

// convertImage writes a file that takes the place of OUT when it is complete.
func convertImage(c *cobra.Command, from, to string, image qcow2.CreateOptions, files imagefile.Options, force bool,
	p *output.Progress) error {
	files.Options = storage.Options{ReadOnly: true}
	in, err := imagefile.Open(from, files)
	if err != nil {
		return err
	}
	defer in.Close()
	o := convert.Options{Image: image, Progress: func(done uint64) { p.Bytes(done, in.Image.VirtualSize()) }}
	if err := o.Validate(in.Image); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	out, err := storage.NewDraft(to, force, in.Files()...)
	if err != nil {
		return err
	}
	defer out.Close()
	if err = convert.Convert(in.Image, out, o); err == nil {
		err = out.Publish()
	}
	if err != nil {
		return fmt.Errorf("convert of %s: %w", from, err)
	}
	p.End()
	return tellCreated(c, to, out, p.Quiet)
}
