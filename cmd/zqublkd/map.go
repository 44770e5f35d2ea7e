// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/output"
	"zqublkd/internal/printable"
	"zqublkd/qcow2"
)

func newMap() *cobra.Command {
	var asJSON, share bool
	var allow engine.Allow
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
			print := printMap
			if asJSON {
				print = printMapJSON
			}
			if err := print(c.OutOrStdout(), o); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
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
	l := mapLine{Start: m.Start, Length: m.Length, Depth: m.Depth, Present: m.Present, Zero: m.Zero, Data: m.Data,
		Compressed: m.Compressed}
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

// printMapJSON prints all runs of the disk, each as it is found.
func printMapJSON(w io.Writer, o *imagefile.Opened) error {
	list := output.NewList(w)
	err := o.Image.Map(func(m qcow2.Mapped) error { return list.Add(lineOf(m, dataPath(o, m.Depth))) })
	if err != nil {
		list.Flush() // how far it came
		return err
	}
	return list.End()
}

// printMap prints what is stored, for people.
func printMap(w io.Writer, o *imagefile.Opened) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File")
	err := o.Image.Map(func(m qcow2.Mapped) error {
		if !m.Data || m.Zero {
			return nil
		}
		place := "compressed"
		if m.Placed {
			place = fmt.Sprintf("%#x", m.Offset)
		}
		_, err := fmt.Fprintf(out, "%#-16x%#-16x%-16s%s\n", m.Start, m.Length, place,
			printable.Text(dataPath(o, m.Depth)))
		return err
	})
	return errors.Join(err, out.Flush())
}
