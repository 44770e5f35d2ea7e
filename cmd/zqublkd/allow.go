// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
)

// addAllow adds the flags of verbs that read what is in other files than the
// image.
func addAllow(c *cobra.Command, a *engine.Allow) {
	f := c.Flags()
	f.BoolVar(&a.Backing, "allow-backing", false, "follow the names of backing files found in the image and in these: they lead anywhere this user may read")
	f.BoolVar(&a.Data, "allow-data-file", false, "follow the name of an external data file found in the image")
}
