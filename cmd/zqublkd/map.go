package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/server"
	"zqublkd/qcow2"
)

func newMap() *cobra.Command {
	var asJSON, share bool
	var allow server.Allow
	c := &cobra.Command{
		Use:   "map IMAGE",
		Short: "Say where each part of the disk is stored, as qemu-img map does",
		Args:  exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := openFiles(args[0], share, following(allow))
			if err != nil {
				return err
			}
			defer o.Close()
			var lines []mapLine
			err = o.Image.Map(func(m qcow2.Mapped) error {
				lines = append(lines, lineOf(m, dataPath(o, m.Depth)))
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), lines)
			}
			return printMap(c.OutOrStdout(), lines)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, as qemu-img map --output=json")
	addShare(c, &share)
	addAllow(c, &allow)
	return c
}

// mapLine is a run of the disk in bytes, with the names of qemu-img.
type mapLine struct {
	Start      uint64  `json:"start"`
	Length     uint64  `json:"length"`
	Depth      int     `json:"depth"`
	Present    bool    `json:"present"`
	Zero       bool    `json:"zero"`
	Data       bool    `json:"data"`
	Compressed bool    `json:"compressed"`
	Offset     *uint64 `json:"offset,omitempty"`
	Filename   string  `json:"filename,omitempty"`
}

func lineOf(m qcow2.Mapped, path string) mapLine {
	l := mapLine{Start: m.Start, Length: m.Length, Depth: m.Depth, Present: m.Present, Zero: m.Zero, Data: m.Data, Compressed: m.Compressed}
	if m.Data {
		l.Filename = path
	}
	if m.Placed {
		l.Offset = &m.Offset
	}
	return l
}

// dataPath is the file in which a layer has its data.
func dataPath(o *imagefile.Opened, depth int) string {
	f := o.Image.File(uint8(depth))
	for _, l := range o.Layers {
		if l.File == f {
			return l.Path
		}
	}
	return ""
}

// printMap prints what is stored, for people.
func printMap(w io.Writer, lines []mapLine) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "Offset\tLength\tMapped to\tFile")
	for _, l := range lines {
		switch {
		case !l.Data:
		case l.Offset == nil:
			fmt.Fprintf(t, "%#x\t%#x\tcompressed\t%s\n", l.Start, l.Length, l.Filename)
		default:
			fmt.Fprintf(t, "%#x\t%#x\t%#x\t%s\n", l.Start, l.Length, *l.Offset, l.Filename)
		}
	}
	return t.Flush()
}
