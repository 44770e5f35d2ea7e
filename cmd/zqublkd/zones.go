// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/blkdev"
	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/internal/zonemap"
	"zqublkd/zoned"
)

func newZones() *cobra.Command {
	var o zonesOptions
	c := &cobra.Command{
		Use:   "zones {/dev/NODE | IMAGE}",
		Short: "Draw the zones of a zoned block device or of an image",
		Long: `Draw the zones of a zoned block device, ours or any other, or of an image that is
not served: a letter and a colour for the condition of each zone, a bar for how
full it is, and how many zones are open and active.

--file marks the zones that the data of a file lies in. The file's file system
must be on the device.`,
		Args: exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.OutOrStdout(), args[0]) },
	}
	c.Flags().StringVar(&o.svg, "svg", "", "write a picture to this `file` instead")
	c.Flags().StringArrayVar(&o.files, "file", nil, "mark the zones that this `file` lies in; may be given several times")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON, sizes in bytes")
	c.Flags().BoolVar(&o.ascii, "ascii", false, "no block characters: a digit says how full a zone is, in tenths")
	c.Flags().BoolVar(&o.plain, "plain", false, "no colour (also when NO_COLOR is set or the output is no terminal)")
	c.Flags().IntVar(&o.width, "width", 0, "columns (default: those of the terminal, 80 elsewhere)")
	addShare(c, &o.share)
	return c
}

// zonesOptions are the flags of zones.
type zonesOptions struct {
	svg          string
	files        []string
	json         bool
	ascii, plain bool
	share        bool
	width        int
}

func (o zonesOptions) run(w io.Writer, path string) error {
	m, err := o.load(path)
	if err != nil {
		return err
	}
	for _, name := range o.files {
		if err := markFile(m, path, name); err != nil {
			return err
		}
	}
	if o.json {
		return printMarkedZones(w, m)
	}
	if o.svg != "" {
		var picture bytes.Buffer
		if err := m.SVG(&picture, filepath.Base(path)); err != nil {
			return err
		}
		return os.WriteFile(o.svg, picture.Bytes(), 0o644)
	}
	profile := colorprofile.Detect(w, os.Environ())
	o.plain = o.plain || profile < colorprofile.ANSI
	return m.Text(&colorprofile.Writer{Forward: w, Profile: profile}, zonemap.TextOptions{Width: o.columns(w),
		Plain: o.plain, ASCII: o.ascii || !isUTF8()})
}

// columns is how wide the picture may be.
func (o zonesOptions) columns(w io.Writer) int {
	if o.width > 0 {
		return o.width
	}
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(f.Fd()); err == nil {
			return n
		}
	}
	return 0
}

// isUTF8 reports whether the locale can show block characters.
func isUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(os.Getenv(name)); v != "" {
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// load reads the zones of a block device or an image. An image on a block
// device (an LV, say) is told from a zoned disk by the zones that a disk has.
func (o zonesOptions) load(path string) (*zonemap.Map, error) {
	if id, ok := nodeNumber(path); ok {
		if err := server.NotHung(server.DefaultRunDir, id); err != nil {
			return nil, err
		}
	}
	d, err := blkdev.Open(path, unix.O_RDONLY|unix.O_NONBLOCK)
	if errors.Is(err, blkdev.ErrNotBlockDevice) {
		return o.loadImage(path)
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	zones, err := d.Zones()
	if errors.Is(err, blkdev.ErrNotZoned) {
		m, notImage := o.loadImage(path)
		if notImage != nil {
			return nil, fmt.Errorf("%w, and no zoned image is on it (%v)", err, notImage)
		}
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	limits, err := d.Limits()
	return zonemap.New(zones, limits), err
}

func (o zonesOptions) loadImage(path string) (*zonemap.Map, error) {
	zones, err := zonesOf(path, o.share)
	if err != nil {
		return nil, err
	}
	img, f, err := openImage(path, o.share)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z := img.Zoned()
	all := zones.Report(0, int(zones.Geometry().Zones()))
	return zonemap.New(all, zoned.Limits{MaxOpen: z.MaxOpen, MaxActive: z.MaxActive,
		MaxAppend: uint64(z.MaxAppendBytes)}), nil
}

// markFile marks the zones that a file lies in.
func markFile(m *zonemap.Map, device, name string) error {
	extents, err := blkdev.FileExtents(name)
	if err != nil {
		return err
	}
	for _, e := range extents {
		m.Mark(e.Offset, e.Length)
	}
	if len(extents) == 0 {
		return fmt.Errorf("%s has no data of its own on %s: it is empty, or small enough to lie in metadata", name, device)
	}
	return nil
}

// markedZone is a zone as report has it, and whether one of the files lies in it.
type markedZone struct {
	zoneLine
	Marked bool `json:"marked"`
}

func printMarkedZones(w io.Writer, m *zonemap.Map) error {
	list := output.NewList(w)
	for i, z := range m.Zones() {
		if err := list.Add(markedZone{lineOfZone(z), m.IsMarked(i)}); err != nil {
			return err
		}
	}
	return list.End()
}
