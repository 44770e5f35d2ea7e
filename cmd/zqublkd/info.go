// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/imageinfo"
	"zqublkd/internal/output"
)

func newInfo() *cobra.Command {
	var asJSON, share, chain bool
	var allow engine.Allow
	c := &cobra.Command{
		Use:   "info IMAGE",
		Short: "Describe an image: format, zones, limits, who can use it",
		Args:  exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			if chain && !allow.Backing {
				return usageError{errors.New("--backing-chain follows names found in images: allow that with --allow-backing")}
			}
			o, err := openFiles(args[0], share, following(allow))
			if err != nil {
				return err
			}
			defer o.Close()
			if chain {
				return imageinfo.PrintChain(c.OutOrStdout(), o, share, asJSON)
			}
			i := imageinfo.About(args[0], o.File, o.Image, share)
			if asJSON {
				return output.JSON(c.OutOrStdout(), i)
			}
			return i.Print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, sizes in bytes")
	c.Flags().BoolVar(&chain, "backing-chain", false, "describe the backing files, too, each after the one that names it")
	addShare(c, &share)
	addAllow(c, &allow)
	return c
}
