// SPDX-License-Identifier: Apache-2.0

package imageinfo

import (
	"fmt"
	"io"
	"slices"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/output"
	"zqublkd/internal/printable"
)

// rawInfo is what info tells of a raw backing file.
type rawInfo struct {
	Image       string `json:"filename"`
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual-size"`
	ActualSize  int64  `json:"actual-size"`
}

// PrintChain describes an image and its backing files, as qemu-img info
// --backing-chain does.
func PrintChain(w io.Writer, o *imagefile.Opened, share, asJSON bool) error {
	var list []any
	for _, l := range slices.Backward(o.Layers) {
		switch {
		case l.Image != nil:
			list = append(list, About(l.Path, l.File, l.Image, share))
		case l.Format == "raw":
			size, err := l.File.Size()
			if err != nil {
				return err
			}
			list = append(list, rawInfo{l.Path, l.Format, size, allocated(l.File)})
		}
	}
	if asJSON {
		return output.JSON(w, list)
	}
	for k, i := range list {
		if k > 0 {
			fmt.Fprintln(w)
		}
		switch i := i.(type) {
		case Info:
			if err := i.Print(w); err != nil {
				return err
			}
		case rawInfo:
			fmt.Fprintf(w, "image: %s\nformat: raw\nvirtual size: %d bytes\n", printable.Text(i.Image), i.VirtualSize)
		}
	}
	return nil
}
