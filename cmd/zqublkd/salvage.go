// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/engine"
	"zqublkd/internal/importer"
	"zqublkd/internal/output"
	"zqublkd/internal/printable"
)

// gap is a part of a disk that could not be read.
type gap struct {
	Start  uint64 `json:"start"`
	Length uint64 `json:"length"`
	Why    string `json:"why"`
}

// maxGaps bounds the list, and what it takes of memory; any map of a disk can make more.
const maxGaps = 100000

// gaps are what could not be read. What lies side by side is one; the reason is that of the
// first. The last of a full list stands for all from there on.
type gaps struct {
	list   []gap
	pieces int
	bytes  uint64
}

func (g *gaps) add(off, n uint64, err error) {
	g.bytes += n
	var last *gap
	if k := len(g.list); k > 0 {
		last = &g.list[k-1]
		if last.Start+last.Length == off {
			last.Length += n
			return
		}
	}
	g.pieces++
	switch {
	case g.pieces <= maxGaps:
		g.list = append(g.list, gap{off, n, oneLine(err.Error())})
		return
	case g.pieces == maxGaps+1:
		last.Why = "parts of this, too many to be listed: " + last.Why
	}
	last.Length = off + n - last.Start
}

func newSalvage() *cobra.Command {
	var force, asJSON bool
	var kind string
	var allow engine.Allow
	c := &cobra.Command{
		Use:   "salvage IMAGE OUT",
		Short: "Copy what can be read of a broken image, and say what could not",
		Long: `Copy the disk of an image that is broken, or lies on a failing drive, as a plain
qcow2 or a raw disk. What can't be read becomes zeros in OUT, and is printed: start and
length in bytes of the disk, and why. Zones are ignored: all that is stored is copied,
whatever the zone table says. IMAGE is not changed. The exit code is 1 if anything could
not be read.`,
		Example: "  zqublkd salvage broken.qcow2 rest.qcow2\n  zqublkd salvage --format raw broken.qcow2 rest.raw",
		Args:    exactly("IMAGE", "OUT"),
	}
	quiet := addQuiet(c)
	c.Flags().StringVar(&kind, "format", importer.FormatQcow2, "of OUT: qcow2 or raw")
	c.Flags().BoolVar(&force, "force", false, "replace an existing file, once the new one is complete")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	idle := addIdle(c)
	addAllow(c, &allow)
	c.RunE = func(c *cobra.Command, args []string) error {
		if kind != importer.FormatQcow2 && kind != importer.FormatRaw {
			return usageError{fmt.Errorf("--format %q: must be qcow2 or raw", kind)}
		}
		if err := errors.Join(idle(args[0]), idle(args[1])); err != nil {
			return err
		}
		o := following(allow)
		o.IgnoreZones = true
		in, err := openFiles(args[0], false, o)
		if err != nil {
			return err
		}
		defer in.Close()
		p := output.NewProgress(c.ErrOrStderr(), "salvage", *quiet)
		defer p.End()
		lost := gaps{list: []gap{}}
		options := exportOptions(in, p)
		options.Unreadable = lost.add
		if err := export(in, args[1], kind, force, options); err != nil {
			return fmt.Errorf("salvage of %s: %w", args[0], err)
		}
		p.End()
		return tellLost(c, args[0], lost, asJSON, in.Image.VirtualSize())
	}
	interruptible(c, "nothing was copied")
	return c
}

// tellLost prints the map of what could not be read.
func tellLost(c *cobra.Command, image string, lost gaps, asJSON bool, size uint64) error {
	if asJSON {
		if err := output.JSON(c.OutOrStdout(), lost.list); err != nil {
			return err
		}
	} else {
		for _, g := range lost.list {
			fmt.Fprintf(c.OutOrStdout(), "%d %d %s\n", g.Start, g.Length, printable.Text(g.Why))
		}
	}
	if lost.pieces == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s of %s could not be read, in %d pieces, and became zeros", image, bytesize.Format(lost.bytes),
		bytesize.Format(size), lost.pieces)
}
