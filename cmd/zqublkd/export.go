package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

func newExport() *cobra.Command {
	var force, share, ignore bool
	var allow engine.Allow
	var idle func(string) error
	var quiet *bool
	c := &cobra.Command{
		Use:   "export IMAGE OUT",
		Short: "Write the disk of an image as a plain qcow2 that any qemu-img reads",
		Long: `Write the disk of an image as a plain qcow2 that any qemu-img reads. Offline
zones, which can't be read, become zeros; their data stays in IMAGE.`,
		Args: exactly("IMAGE", "OUT"),
		RunE: func(c *cobra.Command, args []string) error {
			o := following(allow)
			o.IgnoreZones = ignore
			if err := idle(args[1]); err != nil {
				return err
			}
			in, err := openFiles(args[0], share, o)
			if err != nil {
				return err
			}
			defer in.Close()
			p := newProgress(c, "export", *quiet)
			defer p.end()
			if err := export(in, args[1], force, p); err != nil {
				return fmt.Errorf("export of %s: %w", args[0], err)
			}
			p.end()
			noteOffline(c, in.Image)
			return nil
		},
	}
	interruptible(c, "no image was made")
	quiet = addQuiet(c)
	c.Flags().BoolVar(&force, "force", false, "replace an existing file, once the new one is complete")
	c.Flags().BoolVar(&ignore, "ignore-zones", false, "take a zoned image for a plain one: all that is stored, whatever its zone table says; for one whose table is lost")
	idle = addIdle(c)
	addShare(c, &share)
	addAllow(c, &allow)
	return c
}

// export writes the disk of in to a file that takes the place of OUT when it is
// complete.
func export(in *imagefile.Opened, to string, force bool, p *progress) error {
	out, err := storage.NewDraft(to, force, in.Files()...)
	if err != nil {
		return err
	}
	all := in.Image.VirtualSize()
	if err = qcow2.Export(in.Image, out, qcow2.ExportOptions{Progress: func(done uint64) { p.bytes(done, all) }}); err == nil {
		err = out.Publish()
	}
	return errors.Join(err, out.Close())
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
