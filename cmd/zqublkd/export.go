// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/importer"
	"zqublkd/internal/output"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/format"
)

// exportVerb are the flags of export.
type exportVerb struct {
	force, share, ignore, compress bool
	kind, packing, snapshotID      string
	allow                          engine.Allow
	idle                           func(string) error
	quiet                          *bool
}

func newExport() *cobra.Command {
	var v exportVerb
	c := &cobra.Command{
		Use:   "export IMAGE {OUT | -}",
		Short: "Write the disk of an image as a plain qcow2 that any qemu-img reads, or as a raw disk",
		Long: `Write the disk of an image as a plain qcow2 that any qemu-img reads, or with
--format raw byte by byte, to a file, a block device or (OUT is -) standard output.
Offline zones, which can't be read, become zeros; their data stays in IMAGE.`,
		Example: "  zqublkd export disk.qcow2 plain.qcow2\n  zqublkd export --format raw disk.qcow2 - | zstd >disk.raw.zst",
		Args:    exactly("IMAGE", "OUT"),
		RunE:    func(c *cobra.Command, args []string) error { return v.run(c, args[0], args[1]) },
	}
	interruptible(c, "no image was made")
	v.quiet = addQuiet(c)
	c.Flags().StringVar(&v.kind, "format", importer.FormatQcow2, "of OUT: qcow2 or raw")
	c.Flags().BoolVar(&v.force, "force", false, "replace an existing file, once the new one is complete")
	c.Flags().BoolVar(&v.ignore, "ignore-zones", false, "take a zoned image for a plain one: all that is stored, whatever its zone table says; for one whose table is lost")
	c.Flags().BoolVarP(&v.compress, "compress", "c", false, "compress the clusters of OUT, a qcow2 image")
	c.Flags().StringVar(&v.packing, "compression-type", "zlib", "how: zlib, which any qemu-img reads, or zstd (qemu-img 5.1 and newer)")
	c.Flags().StringVarP(&v.snapshotID, "snapshot-id", "l", "", "an internal snapshot of IMAGE, by ID or name, in place of its disk")
	v.idle = addIdle(c)
	addShare(c, &v.share)
	addAllow(c, &v.allow)
	return c
}

// run writes the disk of an image to what is named to.
func (v *exportVerb) run(c *cobra.Command, image, to string) error {
	err := outputFits(c, v.kind, to)
	if err == nil {
		err = packingFits(c, v.compress, v.kind, v.packing)
	}
	if err != nil {
		return usageError{err}
	}
	o := following(v.allow)
	o.IgnoreZones, o.Snapshot = v.ignore, v.snapshotID
	if to != stdoutName {
		if err := v.idle(to); err != nil {
			return err
		}
	}
	in, err := openFiles(image, v.share, o)
	if err != nil {
		return err
	}
	defer in.Close()
	p := output.NewProgress(c.ErrOrStderr(), "export", *v.quiet)
	defer p.End()
	options := exportOptions(in, p)
	if to == stdoutName {
		err = convert.ExportRaw(in.Image, convert.RawStream{W: c.OutOrStdout()}, options)
	} else {
		if v.compress {
			options.Compress = convert.Packers[v.packing]
		}
		err = export(in, to, v.kind, v.force, options)
	}
	if err != nil {
		return fmt.Errorf("export of %s: %w", image, err)
	}
	p.End()
	noteOffline(c, in.Image)
	return nil
}

// stdoutName stands for standard output.
const stdoutName = "-"

// outputFits says why a format can't be written to what is named.
func outputFits(c *cobra.Command, kind, to string) error {
	switch f, isFile := c.OutOrStdout().(*os.File); {
	case kind != importer.FormatQcow2 && kind != importer.FormatRaw:
		return fmt.Errorf("--format %q: must be qcow2 or raw", kind)
	case to != stdoutName:
		return nil
	case kind != importer.FormatRaw:
		return errors.New("OUT -: a qcow2 image is not written from its start to its end: name a file, or give --format raw")
	case isFile && term.IsTerminal(f.Fd()):
		return errors.New("OUT -: standard output is a terminal: send it into a file or another program")
	}
	return nil
}

// packingFits says why what is to be written can't be compressed so.
func packingFits(c *cobra.Command, compress bool, kind, packing string) error {
	switch {
	case convert.Packers[packing] == nil:
		return fmt.Errorf("--compression-type %q: must be zlib or zstd", packing)
	case !compress && c.Flags().Changed("compression-type"):
		return errors.New("--compression-type is for --compress: give that, too")
	case compress && kind != importer.FormatQcow2:
		return errors.New("--compress: a raw disk has no compressed clusters: send it through zstd, as the example does")
	}
	return nil
}

// export writes the disk of in to a file that takes the place of OUT when it is
// complete.
func export(in *imagefile.Opened, to, kind string, force bool, o convert.ExportOptions) error {
	out, err := storage.NewDraft(to, force, in.Files()...)
	if err != nil {
		return err
	}
	write := exportQcow2
	if kind == importer.FormatRaw {
		write = exportRaw
	}
	if err = write(in.Image, out, o); err == nil {
		err = out.Publish()
	}
	return errors.Join(err, out.Close())
}

func exportQcow2(img *qcow2.Image, out *storage.Draft, o convert.ExportOptions) error {
	return convert.Export(img, out, o)
}

func exportRaw(img *qcow2.Image, out *storage.Draft, o convert.ExportOptions) error {
	sink, err := convert.NewRawFile(out, img.VirtualSize(), out.Blank())
	if err != nil {
		return fmt.Errorf("%s: %w", out.Path(), err)
	}
	return convert.ExportRaw(img, sink, o)
}

// exportOptions returns options that tell p how far it is.
func exportOptions(in *imagefile.Opened, p *output.Progress) convert.ExportOptions {
	all := in.Image.VirtualSize()
	return convert.ExportOptions{Progress: func(done uint64) { p.Bytes(done, all) }}
}

// noteOffline says what of the disk is not in its export.
func noteOffline(c *cobra.Command, img *qcow2.Image) {
	var runs []string
	for _, r := range img.ZoneConditions() {
		if r.Condition == format.ZoneOffline {
			runs = append(runs, r.String())
		}
	}
	if len(runs) > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "zqublkd: note: offline zones are zeros in the export: %s\n", strings.Join(runs, ", "))
	}
}
