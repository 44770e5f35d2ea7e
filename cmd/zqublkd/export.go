package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

func newExport() *cobra.Command {
	var force, share bool
	c := &cobra.Command{
		Use:   "export IMAGE OUT",
		Short: "Write the disk of an image as a plain qcow2 that any qemu-img reads",
		Args:  exactly("IMAGE", "OUT"),
		RunE: func(_ *cobra.Command, args []string) error {
			img, f, err := openImage(args[0], share)
			if err != nil {
				return err
			}
			defer f.Close()
			out, err := storage.Create(args[1], force)
			if err != nil {
				return err
			}
			defer out.Close()
			if err := qcow2.Export(img, out, qcow2.ExportOptions{}); err != nil {
				// What there is of it is no image, and would only be in the way.
				return fmt.Errorf("export of %s: %w", args[0], errors.Join(err, os.Remove(args[1])))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "overwrite an existing file")
	addShare(c, &share)
	return c
}
