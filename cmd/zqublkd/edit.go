// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/server"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/edit"
)

// imageEdit is a verb that changes an image that nobody else has open, in place.
type imageEdit struct {
	idle  func(string) error
	quiet *bool
	stop  stopper
}

func newImageEdit(c *cobra.Command) *imageEdit {
	return &imageEdit{idle: addIdle(c), quiet: addQuiet(c)}
}

// do does one thing to an image, and shows how far it is.
func (e *imageEdit) do(c *cobra.Command, path string, do func(f *storage.OSFile, p edit.Progress) error) error {
	if err := e.idle(path); err != nil {
		return err
	}
	f, err := storage.Open(path, storage.Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	tell, end := e.stop.progress(c.ErrOrStderr(), strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" "), *e.quiet)
	defer end()
	if err := do(f, tell); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func newResize() *cobra.Command {
	var o edit.ResizeOptions
	var backing bool
	c := &cobra.Command{
		Use:   "resize {IMAGE | DEVICE} {SIZE | +SIZE}",
		Short: "Give the disk of an image another size; of a zoned one in whole zones",
		Long: `Give the disk of an image another size: SIZE, or +SIZE more than it has. What is
behind the old end reads as zeros; new zones are empty. A smaller disk loses what is behind
its new end, and takes --shrink, as with qemu-img. Interrupted at any point, the image is
the old or the new one.

A plain image that is served becomes larger while it is in use (Linux 6.16 and newer):
requests wait until the image is larger, and users of the device are told of its new size.
All else needs an image that is not served.`,
		Example: "  zqublkd resize disk.qcow2 +16G\n  zqublkd resize --shrink disk.qcow2 4G",
		Args:    exactly("IMAGE", "SIZE"),
	}
	c.Flags().BoolVar(&o.Shrink, "shrink", false, "the disk may become smaller, and what is behind its end is lost")
	c.Flags().BoolVar(&backing, "allow-backing", false, "look at the size of the backing file that the image names")
	change := newImageEdit(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if runDir, id, ok := servedNow(c, args[0]); ok {
			return resizeServed(c, runDir, id, args[1], *change.quiet)
		}
		if err := change.idle(args[0]); err != nil {
			return err
		}
		old, err := sizes(args[0], backing, &o)
		if err != nil {
			return err
		}
		if o.Size, err = newSize(args[1], old); err != nil {
			return err
		}
		err = change.do(c, args[0], func(f *storage.OSFile, p edit.Progress) error {
			o.Progress = p
			return edit.Resize(f, o)
		})
		if err != nil {
			return err
		}
		said(c, *change.quiet, "resized %s: %s became %s", args[0], bytesize.Format(old), bytesize.Format(o.Size))
		return nil
	}
	change.stop.mind(c, "the image has its old size")
	return c
}

// newSize is the size that a word says, for a disk of old bytes.
func newSize(text string, old uint64) (uint64, error) {
	text, more := strings.CutPrefix(text, "+")
	size, err := bytesize.Parse(text)
	if err != nil {
		return 0, usageError{fmt.Errorf("SIZE: %w", err)}
	}
	if more {
		size += old
	}
	return size, nil
}

// servedNow finds the device that a word names, if a daemon serves it and it has no zones, which
// the kernel does not look at again. The path of an image that nobody serves names none.
func servedNow(c *cobra.Command, word string) (runDir string, id uint32, ok bool) {
	runDir, err := c.Flags().GetString("run-dir")
	if err == nil {
		id, err = resolve(runDir, word)
	}
	if err != nil {
		return runDir, 0, false
	}
	r, err := server.ReadRecord(runDir, id)
	return runDir, id, err == nil && r.Alive && !r.Zoned
}

// said prints what was done, if that is wanted.
func said(c *cobra.Command, quiet bool, format string, args ...any) {
	if !quiet {
		fmt.Fprintf(c.OutOrStdout(), format+"\n", args...)
	}
}

// sizes is the size of the disk, and notes that of the backing file.
func sizes(path string, backing bool, o *edit.ResizeOptions) (uint64, error) {
	in, err := openFiles(path, false, imagefile.Options{AllowBacking: backing})
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if in.Image.Header().BackingFile == "" {
		return in.Image.VirtualSize(), nil
	}
	if !backing {
		o.Base = edit.AnyBase
	} else if l := in.Layers[len(in.Layers)-2]; l.Image != nil {
		o.Base = l.Image.VirtualSize()
	} else {
		size, err := l.File.Size()
		if err != nil {
			return 0, err
		}
		o.Base = uint64(size)
	}
	return in.Image.VirtualSize(), nil
}

// snapshotVerbs change the internal snapshots of an image.
var snapshotVerbs = []struct {
	name, letter, short, done string
	do                        func(f storage.File, name string, p edit.Progress) error
}{
	{"create", "c", "Keep the disk as it is now, under a name", "created snapshot %s of %s",
		func(f storage.File, name string, p edit.Progress) error {
			return edit.CreateSnapshot(f, name, time.Now(), p)
		}},
	{"apply", "a", "Make the disk what it was when the snapshot was made; what was written since is lost",
		"%s is the disk of %s again", edit.ApplySnapshot},
	{"delete", "d", "Forget a snapshot; the disk stays as it is", "deleted snapshot %s of %s", edit.DeleteSnapshot},
}

func newSnapshots() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "Internal snapshots of a plain image: list, create, apply, delete",
		Long: `Internal snapshots of a plain image that is not served, as qemu-img snapshot has
them. One is named by its ID, or else by its name. Interrupted at any point, the image is
the old or the new one. (A zoned image has none: an overlay keeps a state of it,
zqublkd create -b.) -l, -c, -a and -d do the same, as with qemu-img.`,
		Example: `  zqublkd snapshot create plain.qcow2 before-upgrade
  zqublkd snapshot list plain.qcow2
  zqublkd add --snapshot-id before-upgrade --read-only plain.qcow2
  zqublkd snapshot apply plain.qcow2 before-upgrade`,
	}
	c.AddCommand(newSnapshotList())
	for _, v := range snapshotVerbs {
		c.AddCommand(newSnapshotVerb(v.name, v.short, v.done, v.do))
	}
	group(c)
	asQemuImg(c)
	return c
}

func newSnapshotVerb(name, short, done string,
	do func(f storage.File, name string, p edit.Progress) error) *cobra.Command {
	c := &cobra.Command{Use: name + " IMAGE NAME", Short: short, Args: exactly("IMAGE", "NAME"),
		Example: "  zqublkd snapshot " + name + " plain.qcow2 before-upgrade"}
	change := newImageEdit(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		err := change.do(c, args[0], func(f *storage.OSFile, p edit.Progress) error { return do(f, args[1], p) })
		if err != nil {
			return err
		}
		said(c, *change.quiet, done, args[1], args[0])
		return nil
	}
	change.stop.mind(c, "the image is the old one")
	return c
}

// asQemuImg lets letters stand for the verbs, as in qemu-img snapshot -c NAME IMAGE. The
// verbs' own flags go with them.
func asQemuImg(c *cobra.Command) {
	c.FParseErrWhitelist.UnknownFlags = false
	own := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
	own.BoolP("list", "l", false, "list IMAGE's snapshots")
	for _, v := range snapshotVerbs {
		own.StringP(v.name, v.letter, "", v.name+" the snapshot of that name")
	}
	c.Flags().AddFlagSet(own)
	for _, sub := range c.Commands() {
		c.Flags().AddFlagSet(sub.Flags())
	}
	unknown := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		var meant []*cobra.Command
		for _, sub := range c.Commands() {
			if f := own.Lookup(sub.Name()); f != nil && f.Changed {
				meant = append(meant, sub)
				if f.Shorthand != "l" {
					args = append(args, f.Value.String())
				}
			}
		}
		if len(meant) != 1 {
			return unknown(c, args)
		}
		sub := meant[0]
		err := sub.ValidateArgs(args)
		c.Flags().Visit(func(f *pflag.Flag) {
			if err == nil && own.Lookup(f.Name) == nil && c.InheritedFlags().Lookup(f.Name) == nil {
				if err = sub.Flags().Set(f.Name, f.Value.String()); err != nil {
					err = usageError{fmt.Errorf("%s: %w", path(sub), err)}
				}
			}
		})
		if err != nil {
			return err
		}
		return sub.RunE(sub, args)
	}
}

func newCompact() *cobra.Command {
	c := &cobra.Command{
		Use:   "compact IMAGE",
		Short: "Make the file of an image as short as what it holds lets it be",
		Long: `Make the file of an image that is not served as short as what it holds lets it
be: clusters at its end move into holes, space that was set aside above write pointers
is given back, and so is the end of the file. The disk stays as it is. Interrupted at
any point, the image is whole.`,
		Example: "  zqublkd compact disk.qcow2",
		Args:    exactly("IMAGE"),
	}
	change := newImageEdit(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var done edit.Compacted
		err := change.do(c, args[0], func(f *storage.OSFile, p edit.Progress) (err error) {
			done, err = edit.Compact(f, p)
			return err
		})
		if err == nil {
			said(c, *change.quiet, "compacted %s: a file of %s became one of %s", args[0],
				bytesize.Format(uint64(done.Before)), bytesize.Format(uint64(done.After)))
		}
		return err
	}
	change.stop.mind(c, "the image is whole, and its file may be shorter")
	return c
}
