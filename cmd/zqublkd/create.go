// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/createoptions"
	"zqublkd/internal/engine"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/imageinfo"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

const createHelp = `Create a qcow2 image. Options are given as qemu-img takes them, -o key=value,...,
or as flags of their own; -o help lists them. Sizes take K, M, G and T (powers of
1024), as 64M, 512MiB or 1.5G.

With --profile the image has zones, limits and blocks as a drive has them that
can be bought, as many as make up the size; other options change what it says.
--profile help lists the profiles.

What the kernel could not take as a block device (a short last zone, more than
16384 zones) is refused unless --force.

With -b the new image is an overlay: it reads as the backing file, which is not
written to, and must not be changed as long as there are overlays of it. A zoned one
gets zones, limits, conditions and write pointers as the backing file has them now.`

const createExample = `  zqublkd create -o zone.mode=host-managed,zone.size=64M disk.qcow2 8G
  zqublkd create --size 8G --zone-size 64M --zone-conventional-zones 4 disk.qcow2
  zqublkd create --profile zns zns.qcow2 64G
  zqublkd create plain.qcow2 512M
  zqublkd create -b golden.qcow2 overlay.qcow2`

func newCreate() *cobra.Command {
	var list []string
	var force bool
	var drive string
	c := &cobra.Command{
		Use:     "create IMAGE [SIZE]",
		Short:   "Create a zoned qcow2 image (or a plain one, without zone options)",
		Long:    createHelp,
		Example: createExample,
		Args: func(c *cobra.Command, args []string) error {
			if createoptions.IsHelp(list) || createoptions.IsHelp([]string{drive}) {
				return nil
			}
			return between(1, "IMAGE", "SIZE")(c, args)
		},
	}
	c.Flags().StringArrayVarP(&list, "option", "o", nil, "options as key=value,...; help lists them")
	c.Flags().BoolVar(&force, "force", false, "replace an existing image, once the new one is complete; make one that can't be served")
	c.Flags().StringVar(&drive, "profile", "", "zones as a drive has them; help lists the drives")
	values := make([]*string, len(createoptions.All))
	for i, opt := range createoptions.All {
		values[i] = c.Flags().StringP(opt.Flag, createoptions.Shorthand[opt.Key], "", opt.FlagHelp())
	}
	idle, quiet := addIdle(c), addQuiet(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if createoptions.IsHelp(list) {
			return createoptions.Print(c.OutOrStdout(), createoptions.All)
		}
		if createoptions.IsHelp([]string{drive}) {
			return createoptions.PrintProfiles(c.OutOrStdout())
		}
		if len(args) > 1 {
			if err := sizeOnce(list, values, args[1]); err != nil {
				return usageError{err}
			}
		}
		o, err := createoptions.ParseProfiled(drive, list, values)
		if err != nil {
			return usageError{err}
		}
		if err := idle(args[0]); err != nil {
			return err
		}
		if o.Backing != nil {
			return createOver(c, args[0], o, force, *quiet, idle)
		}
		return create(c, args[0], o, force, *quiet)
	}
	interruptible(c, "no image was made")
	return c
}

// createOver makes an overlay. What a dead daemon knows of the backing file is not
// in it yet, so that one waits.
func createOver(c *cobra.Command, path string, o qcow2.CreateOptions, force, quiet bool,
	idle func(string) error) error {
	if o.Backing.Name == "" {
		return usageError{errors.New("-F names the format of a backing file, and there is none: name it with -b")}
	}
	b, err := imagefile.OpenBacking(o.Backing.Name, o.Backing.Format, path)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := idle(b.Path); err != nil {
		return err
	}
	o.Backing = &b.BackingOptions
	return create(c, path, o, force, quiet, b.File)
}

// sizeOnce makes the argument SIZE the value of --size, unless the size is given
// twice.
func sizeOnce(list []string, values []*string, size string) error {
	given := *values[0] != ""
	for pair := range strings.SplitSeq(strings.Join(list, ","), ",") {
		given = given || strings.HasPrefix(pair, "size=")
	}
	if given {
		return fmt.Errorf("SIZE %q: the size is given as an option, too: give it once", size)
	}
	if size == "" {
		return errors.New("SIZE is empty: give one as 512M")
	}
	*values[0] = size
	return nil
}

// create makes the image; options are judged before any file is touched. What it
// could not finish nobody sees: a stub would stop the next attempt.
func create(c *cobra.Command, path string, o qcow2.CreateOptions, force, quiet bool, sources ...*storage.OSFile) error {
	if err := o.Validate(); err != nil {
		return err
	}
	f, err := storage.NewDraft(path, force, sources...)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = qcow2.Create(f, o); err == nil && !force {
		err = refuseUnservable(f)
	}
	if err == nil {
		err = f.Publish()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return tellCreated(c, path, f, quiet)
}

// refuseUnservable is the error of an image that no kernel takes as a block
// device, as it is made.
func refuseUnservable(f storage.File) error {
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err == nil {
		err = engine.Servable(img)
	}
	if err != nil {
		return usageError{fmt.Errorf("it could not be served: %w; --force makes it all the same", err)}
	}
	return nil
}

// tellCreated says what image there is now, and who can use it.
func tellCreated(c *cobra.Command, path string, f storage.File, quiet bool) error {
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !quiet {
		fmt.Fprintln(c.OutOrStdout(), imageinfo.Summary(path, img))
	}
	if block := img.LogicalBlockSize(); img.Zoned() == nil && block != format.DefaultLogicalBlockSize {
		fmt.Fprintf(c.ErrOrStderr(), "zqublkd: note: only zqublkd knows of blocks of %d bytes: QEMU reads the partition table of such a disk with blocks of 512\n", block)
	}
	if err := engine.Servable(img); err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "zqublkd: note: it can't be served here: %v\n", err)
	}
	return nil
}
