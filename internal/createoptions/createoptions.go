// SPDX-License-Identifier: Apache-2.0

// Package createoptions reads how a new image is to be, as qemu-img create is told: -o with
// key=value,..., or a flag for each key. create, import, convert and amend share its table.
package createoptions

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/suggest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Option is one option of create: a key of -o, spelled as qemu-img spells it,
// and a flag of its own.
type Option struct {
	Key, Flag string
	Kind      string // of its values, in help
	Help      string
	Otherwise string // what holds if it is not given; empty: nothing
	Values    []string
	Set       func(*qcow2.CreateOptions, string) error
}

// All are the options that there are.
var All = []Option{
	{"size", "size", "size", "virtual size", "", nil,
		sizeInto(func(o *qcow2.CreateOptions, n uint64) { o.Size = n })},
	{"cluster_size", "cluster-size", "size", "cluster size, a power of two from 512 to 2M", "64K", nil,
		sizeInto(func(o *qcow2.CreateOptions, n uint64) { o.ClusterSize = n })},
	{"refcount_bits", "refcount-bits", "number", "width of a refcount", "16", []string{"1", "2", "4", "8", "16", "32",
		"64"},
		numberInto(func(o *qcow2.CreateOptions, n uint32) { o.RefcountBits = n })},
	{"extended_l2", "extended-l2", "on or off", "subclusters", "off", []string{"on", "off"}, setExtendedL2},
	{"logical_block_size", "logical-block-size", "size", "512 or 4096", "4096 with zones, else 512",
		[]string{"512", "4096"},
		sizeInto(func(o *qcow2.CreateOptions, n uint64) { o.LogicalBlockSize = uint32(min(n, 1<<31)) })},
	{"zone.mode", "zone-mode", "name", "host-managed; anything with zones needs it", "none", []string{"host-managed"}, setZoneMode},
	{"zone.revision", "zone-revision", "name", "layout of the zone metadata, each that of other QEMU patches: " + strings.Join(format.Revisions, ", "), qcow2.DefaultRevision, format.Revisions,
		func(o *qcow2.CreateOptions, s string) error { zone(o).Revision = s; return nil }},
	{"zone.size", "zone-size", "size", "zone size, a power of two", "256M", nil,
		sizeInto(func(o *qcow2.CreateOptions, n uint64) { zone(o).Size = n })},
	{"zone.capacity", "zone-capacity", "size", "usable bytes of a zone", "the zone size", nil,
		sizeInto(func(o *qcow2.CreateOptions, n uint64) { zone(o).Capacity = n })},
	{"zone.conventional_zones", "zone-conventional-zones", "number", "conventional zones, the first ones", "0", nil,
		numberInto(func(o *qcow2.CreateOptions, n uint32) { zone(o).Conventional = n })},
	{"zone.max_open_zones", "zone-max-open-zones", "number", "limit of open zones; 0: none", "zone.max_active_zones",
		nil,
		numberInto(func(o *qcow2.CreateOptions, n uint32) { zone(o).MaxOpen = n })},
	{"zone.max_active_zones", "zone-max-active-zones", "number", "limit of active zones; 0: none", "0", nil,
		numberInto(func(o *qcow2.CreateOptions, n uint32) { zone(o).MaxActive = n })},
	{"zone.max_append_bytes", "zone-max-append-bytes", "size", "largest append; 0: as large as a request", "0", nil,
		sizeInto(func(o *qcow2.CreateOptions, n uint64) { zone(o).MaxAppendBytes = uint32(min(n, 1<<32-1)) })},
	{"zone.counters", "zone-counters", "on or off", "keep counters of what is done to each zone, for report --wear; programs that don't know them can't write to the image", "off",
		[]string{"on", "off"}, setCounters},
	{"backing_file", "backing", "path", "make an overlay of this file; a relative path starts at the folder of IMAGE", "", nil,
		func(o *qcow2.CreateOptions, s string) error { backing(o).Name = s; return nil }},
	{"backing_fmt", "backing-format", "name", "format of the backing file", "qcow2, if it is one that names no other file", []string{"qcow2", "raw"},
		func(o *qcow2.CreateOptions, s string) error { backing(o).Format = s; return nil }},
}

// Shorthand has the letters of flags that qemu-img create has, by key.
var Shorthand = map[string]string{"backing_file": "b", "backing_fmt": "F"}

// backing is the part of o about the backing file, made on first use.
func backing(o *qcow2.CreateOptions) *qcow2.BackingOptions {
	if o.Backing == nil {
		o.Backing = new(qcow2.BackingOptions)
	}
	return o.Backing
}

// FlagHelp returns what --help says of the option.
func (o Option) FlagHelp() string {
	if o.Otherwise == "" || o.Otherwise == "0" {
		return o.Help
	}
	return o.Help + " (default " + o.Otherwise + ")"
}

// IsHelp reports whether the value of -o asks which options there are.
func IsHelp(list []string) bool {
	all := strings.Split(strings.Join(list, ","), ",")
	return slices.Contains(all, "help") || slices.Contains(all, "?")
}

// Print lists options, as qemu-img does for -o help.
func Print(w io.Writer, options []Option) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "OPTION\tVALUE\tDEFAULT\tMEANING")
	for _, o := range options {
		otherwise := o.Otherwise
		if otherwise == "" {
			otherwise = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.Key, o.Kind, otherwise, o.Help)
	}
	return t.Flush()
}

// zone is the zone part of o, made on first use.
func zone(o *qcow2.CreateOptions) *qcow2.ZoneOptions {
	if o.Zone == nil {
		o.Zone = new(qcow2.ZoneOptions)
	}
	return o.Zone
}

func sizeInto(f func(*qcow2.CreateOptions, uint64)) func(*qcow2.CreateOptions, string) error {
	return func(o *qcow2.CreateOptions, s string) error {
		n, err := bytesize.Parse(s)
		f(o, n)
		return err
	}
}

func numberInto(f func(*qcow2.CreateOptions, uint32)) func(*qcow2.CreateOptions, string) error {
	return func(o *qcow2.CreateOptions, s string) error {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return fmt.Errorf("%q is no whole number up to 4294967295", s)
		}
		f(o, uint32(n))
		return nil
	}
}

func setExtendedL2(o *qcow2.CreateOptions, s string) error { return setSwitch(&o.ExtendedL2, s) }

func setCounters(o *qcow2.CreateOptions, s string) error { return setSwitch(&zone(o).Counters, s) }

func setSwitch(on *bool, s string) error {
	switch s {
	case "on", "true", "yes":
		*on = true
	case "off", "false", "no":
		*on = false
	default:
		return fmt.Errorf("%q is neither on nor off", s)
	}
	return nil
}

func setZoneMode(o *qcow2.CreateOptions, s string) error {
	if s != "host-managed" {
		return fmt.Errorf("%q is not known, only host-managed", s)
	}
	zone(o)
	return nil
}

// Parse collects the options of -o and of the flags, in the order of All; flags win.
func Parse(list []string, values []*string) (qcow2.CreateOptions, error) {
	return parseOver(qcow2.CreateOptions{}, list, values)
}

// parseOver is Parse that changes options which are there already.
func parseOver(o qcow2.CreateOptions, list []string, values []*string) (qcow2.CreateOptions, error) {
	moded := o.Zone != nil
	for _, pair := range strings.Split(strings.Join(list, ","), ",") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if err := setOption(&o, key, value); err != nil {
			return o, err
		}
		moded = moded || key == "zone.mode"
	}
	if o.Zone != nil && !moded {
		return o, fmt.Errorf("zone options in -o need zone.mode=host-managed with them")
	}
	for i, v := range values {
		if *v == "" {
			continue
		}
		if err := All[i].Set(&o, *v); err != nil {
			return o, fmt.Errorf("--%s: %w", All[i].Flag, err)
		}
	}
	return o, nil
}

func setOption(o *qcow2.CreateOptions, key, value string) error {
	for _, opt := range All {
		if opt.Key == key || opt.Key == strings.ReplaceAll(key, "-", "_") {
			if err := opt.Set(o, value); err != nil {
				return fmt.Errorf("-o %s: %w", opt.Key, err)
			}
			return nil
		}
	}
	keys := make([]string, len(All))
	for i, opt := range All {
		keys[i] = opt.Key
	}
	return fmt.Errorf("-o %s: no such option%s; there are %s (-o help explains them)", key, suggest.DidYouMean(key, keys), strings.Join(keys, ", "))
}
