// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/createoptions"
	"zqublkd/internal/engine"
	"zqublkd/internal/importer"
	"zqublkd/internal/output"
	"zqublkd/internal/storage"
)

func newImport() *cobra.Command {
	var list []string
	var o importer.Options
	var allow engine.Allow
	c := &cobra.Command{
		Use:   "import SOURCE IMAGE",
		Short: "Make a zoned image of a zbd dump, a raw disk or a plain qcow2",
		Long: `Make a zoned image of another disk.

Of a dump that zbd(8) made (give NAME_zone_info.dump; NAME_zone_data.dump lies beside
it) zones, write pointers and limits become those of the image:

  zqublkd import nvme0n1_zone_info.dump disk.qcow2

Of a raw disk or a plain qcow2 the content decides, with zones as create takes them:
a sequential zone's write pointer lies behind its last byte that is not zero; data
above the zone capacity is refused.

  zqublkd import -o zone.size=64M disk.raw disk.qcow2`,
		Args: func(c *cobra.Command, args []string) error {
			if createoptions.IsHelp(list) {
				return nil
			}
			return exactly("SOURCE", "IMAGE")(c, args)
		},
	}
	c.Flags().StringArrayVarP(&list, "option", "o", nil, "options of the image as key=value,..., as create has them; zone.mode is host-managed; help lists them")
	c.Flags().StringVar(&o.Format, "format", "", "of the source: raw, qcow2 or zbd (default: found out; what looks like another format is refused)")
	c.Flags().BoolVar(&o.Force, "force", false, "replace an existing image, once the new one is complete")
	addAllow(c, &allow)
	idle, quiet := addIdle(c), addQuiet(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if createoptions.IsHelp(list) {
			return createoptions.Print(c.OutOrStdout(), importOptions())
		}
		if o.Image, err = createoptions.Parse(append([]string{"zone.mode=host-managed"}, list...), nil); err != nil {
			return usageError{err}
		}
		if o.Image.Backing != nil {
			return usageError{errors.New("-o backing_file: an imported image holds all of its disk; create -b makes an overlay of it")}
		}
		o.Files = following(allow)
		if err := idle(args[1]); err != nil {
			return err
		}
		p := output.NewProgress(c.ErrOrStderr(), "import", *quiet)
		defer p.End()
		o.Progress = p.Bytes
		return imported(c, args[0], args[1], o, p)
	}
	interruptible(c, "no image was made")
	return c
}

// importOptions are the options of an image that stands alone.
func importOptions() []createoptions.Option {
	return slices.DeleteFunc(slices.Clone(createoptions.All),
		func(o createoptions.Option) bool { return strings.HasPrefix(o.Key, "backing_") })
}

// imported makes the image and says what it is.
func imported(c *cobra.Command, from, to string, o importer.Options, p *output.Progress) error {
	if err := importer.Import(from, to, o); err != nil {
		return err
	}
	p.End()
	f, err := storage.Open(to, storage.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer f.Close()
	return tellCreated(c, to, f, p.Quiet)
}
