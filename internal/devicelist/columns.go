// SPDX-License-Identifier: Apache-2.0

package devicelist

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/output"
	"zqublkd/internal/printable"
)

// Column is one that list can print.
type Column struct {
	Name, About string
	Shown       bool // if nobody says which
	text        func(Device) string
}

// Columns are all columns in the order in which they are shown.
var Columns = []Column{
	{"id", "number of the device", true, func(d Device) string { return strconv.FormatUint(uint64(d.ID), 10) }},
	{"node", "its block device", true, func(d Device) string { return d.Node }},
	{"name", "its name, in udev's links too", true, func(d Device) string { return d.Name }},
	{"kind", "zoned or plain", true, func(d Device) string { return d.Kind }},
	{"state", "live, read-only, starting, failed, hung (its daemon gives no answer), dead, given-up (nobody brings its daemon back)", true, stateColumn},
	{"size", "bytes, as 8G", true, func(d Device) string { return unlessZero(d.Size, bytesize.Format) }},
	{"zones", "number of zones", true, func(d Device) string { return unlessZero(d.Zones, decimal) }},
	{"ro", "whether it is read-only", true, func(d Device) string { return output.YesNo(d.ReadOnly) }},
	{"recovery", "what happens when its daemon dies: reissue or off", true, func(d Device) string { return string(d.Recovery) }},
	{"holders", "mounts, swap and devices on top of it", true,
		func(d Device) string { return strings.Join(d.Holders, ", ") }},
	{"share", "how it is shared with other machines: transport, address, hosts", false, shareColumn},
	{"pid", "process of its daemon", true, func(d Device) string { return strconv.Itoa(d.PID) }},
	{"image", "the image; (deleted) if it is there no more, (snapshot) if it is not written to", true, imageColumn},
	{"cache", "page cache for data: none or writeback", false, func(d Device) string { return string(d.Cache) }},
	{"queues", "hardware queues", false, func(d Device) string { return strconv.Itoa(int(d.Queues)) }},
	{"depth", "requests of a queue at once", false, func(d Device) string { return strconv.Itoa(int(d.Depth)) }},
	{"unit", "systemd's unit that brings its daemon back", false, func(d Device) string { return d.Unit }},
	{"started", "when its daemon started", false,
		func(d Device) string { return d.Started.UTC().Format("2006-01-02T15:04:05Z") }},
}

// stateColumn is the state, with the reason of one that waits for a person.
func stateColumn(d Device) string {
	if d.State == "given-up" {
		return d.State + " (" + d.Reason + ")"
	}
	return d.State
}

func shareColumn(d Device) string {
	if d.Share == nil {
		return ""
	}
	return d.Share.String() + " (" + d.Share.Audience() + ")"
}

func imageColumn(d Device) string {
	if d.SnapshotOf != "" {
		return d.SnapshotOf + " (snapshot)"
	}
	if d.Gone {
		return d.Image + " (deleted)"
	}
	return d.Image
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func unlessZero(n uint64, format func(uint64) string) string {
	if n == 0 {
		return ""
	}
	return format(n)
}

// Help lists the columns for --help.
func Help() string {
	var b strings.Builder
	for _, col := range Columns {
		fmt.Fprintf(&b, "  %-9s %s\n", col.Name, col.About)
	}
	return strings.TrimRight(b.String(), "\n")
}

// Names returns the names of the columns.
func Names() []string {
	names := make([]string, len(Columns))
	for k, col := range Columns {
		names[k] = col.Name
	}
	return names
}

// Print prints a table; an empty cell is a dash, so that every line has as
// many words as the first.
func Print(w io.Writer, list []Device, columns []Column, headings bool) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(cell func(Column) string) {
		cells := make([]string, len(columns))
		for k, col := range columns {
			cells[k] = cell(col)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	if headings {
		line(func(col Column) string { return strings.ToUpper(col.Name) })
	}
	for _, d := range list {
		line(func(col Column) string {
			if text := printable.Text(col.text(d)); text != "" {
				return text
			}
			return "-"
		})
	}
	return t.Flush()
}
