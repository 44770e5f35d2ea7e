// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/printable"
	"zqublkd/internal/suggest"
)

// column is one that list can print.
type column struct {
	name, about string
	shown       bool // if nobody says which
	text        func(listedDevice) string
}

// listColumns in the order in which they are shown.
var listColumns = []column{
	{"id", "number of the device", true, func(d listedDevice) string { return strconv.FormatUint(uint64(d.ID), 10) }},
	{"node", "its block device", true, func(d listedDevice) string { return d.Node }},
	{"name", "its name, in udev's links too", true, func(d listedDevice) string { return d.Name }},
	{"kind", "zoned or plain", true, func(d listedDevice) string { return d.Kind }},
	{"state", "live, read-only, starting, failed, hung (its daemon gives no answer), dead, given-up (nobody brings its daemon back)", true, stateColumn},
	{"size", "bytes, as 8G", true, func(d listedDevice) string { return unlessZero(d.Size, bytesize.Format) }},
	{"zones", "number of zones", true, func(d listedDevice) string { return unlessZero(d.Zones, decimal) }},
	{"ro", "whether it is read-only", true, func(d listedDevice) string { return yesNo(d.ReadOnly) }},
	{"recovery", "what happens when its daemon dies: reissue or off", true, func(d listedDevice) string { return string(d.Recovery) }},
	{"holders", "mounts, swap and devices on top of it", true,
		func(d listedDevice) string { return strings.Join(d.Holders, ", ") }},
	{"pid", "process of its daemon", true, func(d listedDevice) string { return strconv.Itoa(d.PID) }},
	{"image", "the image; (deleted) if it is there no more, (snapshot) if it is not written to", true, imageColumn},
	{"cache", "page cache for data: none or writeback", false, func(d listedDevice) string { return string(d.Cache) }},
	{"queues", "hardware queues", false, func(d listedDevice) string { return strconv.Itoa(int(d.Queues)) }},
	{"depth", "requests of a queue at once", false, func(d listedDevice) string { return strconv.Itoa(int(d.Depth)) }},
	{"unit", "systemd's unit that brings its daemon back", false, func(d listedDevice) string { return d.Unit }},
	{"started", "when its daemon started", false,
		func(d listedDevice) string { return d.Started.UTC().Format("2006-01-02T15:04:05Z") }},
}

// stateColumn is the state, with the reason of one that waits for a person.
func stateColumn(d listedDevice) string {
	if d.State == "given-up" {
		return d.State + " (" + d.Reason + ")"
	}
	return d.State
}

func imageColumn(d listedDevice) string {
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

// columnHelp lists the columns for --help.
func columnHelp() string {
	var b strings.Builder
	for _, col := range listColumns {
		fmt.Fprintf(&b, "  %-9s %s\n", col.name, col.about)
	}
	return strings.TrimRight(b.String(), "\n")
}

func columnNames() []string {
	names := make([]string, len(listColumns))
	for k, col := range listColumns {
		names[k] = col.name
	}
	return names
}

// chosenColumns reads names of columns as node,size; empty: those that are
// shown if nobody says which.
func chosenColumns(text string) ([]column, error) {
	var chosen []column
	for _, col := range listColumns {
		if text == "" && col.shown {
			chosen = append(chosen, col)
		}
	}
	if text == "" {
		return chosen, nil
	}
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		k := slices.IndexFunc(listColumns, func(col column) bool { return col.name == name })
		if k < 0 {
			return nil, fmt.Errorf("-o %s: no such column%s; there are %s", name,
				suggest.DidYouMean(name, columnNames()), strings.Join(columnNames(), ", "))
		}
		chosen = append(chosen, listColumns[k])
	}
	return chosen, nil
}

// printList prints a table; an empty cell is a dash, so that every line has as
// many words as the first.
func printList(w io.Writer, list []listedDevice, columns []column, headings bool) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(cell func(column) string) {
		cells := make([]string, len(columns))
		for k, col := range columns {
			cells[k] = cell(col)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	if headings {
		line(func(col column) string { return strings.ToUpper(col.name) })
	}
	for _, d := range list {
		line(func(col column) string {
			if text := printable.Text(col.text(d)); text != "" {
				return text
			}
			return "-"
		})
	}
	return t.Flush()
}
