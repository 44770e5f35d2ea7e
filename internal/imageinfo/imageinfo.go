// SPDX-License-Identifier: Apache-2.0

// Package imageinfo is what the verb info tells of an image: what qemu-img info tells, by the same
// names, and besides that its zones, who can use it, and whether add would serve it.
package imageinfo

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/engine"
	"zqublkd/internal/printable"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// About returns all that info tells of an image in a file. share says that others may be
// writing to it meanwhile.
func About(path string, f storage.File, img *qcow2.Image, share bool) Info {
	i := describe(path, img)
	i.judge(img, share)
	if size, err := f.Size(); err == nil {
		i.FileSize = size
	}
	i.ActualSize = allocated(f)
	return i
}

// Info is what info tells; sizes are bytes.
type Info struct {
	Image            string         `json:"filename"`
	Format           string         `json:"format"`
	VirtualSize      uint64         `json:"virtual-size"`
	ActualSize       int64          `json:"actual-size"`
	FileSize         int64          `json:"file-size"`
	ClusterSize      uint64         `json:"cluster-size"`
	Dirty            bool           `json:"dirty-flag"`
	Backing          string         `json:"backing-filename,omitempty"`
	FullBacking      string         `json:"full-backing-filename,omitempty"`
	BackingFormat    string         `json:"backing-filename-format,omitempty"`
	Snapshots        []snapshotInfo `json:"snapshots,omitempty"`
	Specific         specificInfo   `json:"format-specific"`
	LogicalBlockSize uint32         `json:"logical-block-size"`
	Zoned            *zonedInfo     `json:"zoned,omitempty"`
	Compatibility    string         `json:"compatibility,omitempty"`
	Servable         bool           `json:"servable"`
	NotServable      string         `json:"not-servable,omitempty"`
	Notes            []string       `json:"notes,omitempty"`

	unknownZones string // why nothing can be said about zones that there should be
}

type zonedInfo struct {
	Mode           string         `json:"mode"`
	Revision       string         `json:"revision"`
	Zones          uint32         `json:"zones"`
	ZoneSize       uint64         `json:"zone_size"`
	ZoneCapacity   uint64         `json:"zone_capacity"`
	Conventional   uint32         `json:"conventional_zones"`
	MaxOpen        uint32         `json:"max_open_zones"`
	MaxActive      uint32         `json:"max_active_zones"`
	MaxAppendBytes uint32         `json:"max_append_bytes"`
	Conditions     map[string]int `json:"conditions"`
	TableOffset    uint64         `json:"zone_table_offset"`

	Counters *format.ZoneCounters `json:"counters,omitempty"` // of all zones together
}

func describe(path string, img *qcow2.Image) Info {
	h := img.Header()
	i := Info{
		Image: path, Format: "qcow2", VirtualSize: img.VirtualSize(), ClusterSize: img.ClusterSize(),
		Dirty: h.Incompatible&format.IncompatDirty != 0, Specific: specificOf(h),
		LogicalBlockSize: img.LogicalBlockSize(), Compatibility: Compatibility(img),
	}
	i.nameFiles(path, h)
	i.listSnapshots(img)
	if z := img.Zoned(); z != nil {
		i.Zoned = &zonedInfo{
			Mode: "host-managed", Revision: z.Revision, Zones: z.Zones, ZoneSize: z.ZoneSize,
			ZoneCapacity: z.ZoneCapacity,
			Conventional: z.Conventional, MaxOpen: z.MaxOpen, MaxActive: z.MaxActive, MaxAppendBytes: z.MaxAppendBytes,
			TableOffset: z.TableOffset, Conditions: conditions(img), Counters: counters(img),
		}
		i.Notes = append(i.Notes, img.ZoneNotes()...)
	}
	if img.Zoned() == nil && img.MarkedZoned() {
		i.unknownZones = "the image does not make sense"
		if r := img.Obstacles(); len(r) > 0 {
			i.unknownZones = r[0].Err.Error()
		}
	}
	return i
}

// counters adds up those of all zones; nil: the image keeps none that can be read.
func counters(img *qcow2.Image) *format.ZoneCounters {
	all, err := img.Counters()
	if err != nil || all == nil {
		return nil
	}
	sum := new(format.ZoneCounters)
	for _, c := range all {
		sum.Add(c)
	}
	return sum
}

// conditions counts the zones in each condition.
func conditions(img *qcow2.Image) map[string]int {
	n := map[string]int{}
	zones, err := engine.Zones(img, nil)
	if err != nil {
		return n
	}
	for k := range zones.Geometry().Zones() {
		n[zones.Info(k).Condition.String()]++
	}
	return n
}

// Print prints the description for people.
func (i Info) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 1, ' ', 0)
	row := func(label string, format string, args ...any) {
		fmt.Fprintf(t, "%s:\t%s\n", label, printable.Text(fmt.Sprintf(format, args...)))
	}
	row("image", "%s", i.Image)
	row("format", "qcow2, compat %s%s", i.Specific.Data.Compat, i.Specific.Data.features())
	row("virtual size", "%s (%d bytes)", bytesize.Format(i.VirtualSize), i.VirtualSize)
	row("file size", "%d bytes", i.FileSize)
	row("cluster size", "%s, refcounts of %d bits", bytesize.Format(i.ClusterSize), i.Specific.Data.RefcountBits)
	i.printFiles(row)
	row("logical block size", "%d bytes", i.LogicalBlockSize)
	if z := i.Zoned; z != nil {
		row("zones", "%d of %s, %d conventional, layout %s", z.Zones, bytesize.Format(z.ZoneSize), z.Conventional,
			z.Revision)
		row("zone capacity", "%s", bytesize.Format(z.ZoneCapacity))
		row("limits", "open %s, active %s, append %s", limit(uint64(z.MaxOpen)), limit(uint64(z.MaxActive)),
			limit(uint64(z.MaxAppendBytes)))
		row("conditions", "%s", countList(z.Conditions))
		if c := z.Counters; c != nil {
			row("counters", "%d resets, %d finishes, %s written, %d appends, %d evictions", c.Resets, c.Finishes,
				bytesize.Format(c.Bytes), c.Appends, c.Evictions)
		}
	} else if i.unknownZones != "" {
		row("zones", "not known: %s", i.unknownZones)
	} else {
		row("zones", "none, a plain disk")
	}
	if i.Compatibility != "" {
		row("QEMU", "unreleased")
	}
	if i.Servable {
		row("can be served", "yes")
	} else {
		row("can be served", "no: %s", i.NotServable)
	}
	for _, n := range i.Notes {
		row("note", "%s", n)
	}
	return t.Flush()
}

// limit prints a limit that may be none.
func limit(n uint64) string {
	if n == 0 {
		return "unlimited"
	}
	return bytesize.Format(n)
}

func countList(n map[string]int) string {
	var parts []string
	for _, c := range zoned.Conditions {
		if k := n[c.String()]; k > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k, c))
		}
	}
	return strings.Join(parts, ", ")
}

// Summary returns the one line that create prints of what it made.
func Summary(path string, img *qcow2.Image) string {
	s := fmt.Sprintf("created %s: %s, cluster size %s, logical block size %d", path, bytesize.Format(img.VirtualSize()), bytesize.Format(img.ClusterSize()), img.LogicalBlockSize())
	z := img.Zoned()
	if z == nil {
		return s + ", no zones"
	}
	return s + fmt.Sprintf(", %d zones of %s (capacity %s, %d conventional, layout %s), limits: open %s, active %s, append %s",
		z.Zones, bytesize.Format(z.ZoneSize), bytesize.Format(z.ZoneCapacity), z.Conventional, z.Revision,
		limit(uint64(z.MaxOpen)), limit(uint64(z.MaxActive)), limit(uint64(z.MaxAppendBytes)))
}

// Compatibility says in one line which QEMU can use the image. No release of
// QEMU has the zoned extension; the layouts belong to revisions of one patch
// series, none of which opens another's images.
func Compatibility(img *qcow2.Image) string {
	z := img.Zoned()
	if z == nil {
		return ""
	}
	series := z.Series()
	switch {
	case z.Revision == "v6" && (img.VirtualSize() > 4<<30 || z.ZoneSize >= 2<<30):
		return "no QEMU uses it right: series " + series + " of its zoned-qcow2 patches, which know layout v6, fail above 4 GiB and with zones of 2 GiB or more"
	}
	return "usable with series " + series + " of QEMU's zoned-qcow2 patches (layout " + z.Revision + "); a released QEMU refuses it"
}
