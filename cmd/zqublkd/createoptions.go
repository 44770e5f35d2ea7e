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
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// createOption is one option of create: a key of -o, spelled as qemu-img does,
// and a flag of its own.
type createOption struct {
	key, flag string
	kind      string // of its values, in help
	help      string
	otherwise string // what holds if it is not given; empty: nothing
	values    []string
	set       func(*qcow2.CreateOptions, string) error
}

var createOptions = []createOption{
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
	{"backing_file", "backing", "path", "make an overlay of this file; a relative path starts at the folder of IMAGE", "", nil,
		func(o *qcow2.CreateOptions, s string) error { backing(o).Name = s; return nil }},
	{"backing_fmt", "backing-format", "name", "format of the backing file", "qcow2, if it is one that names no other file", []string{"qcow2", "raw"},
		func(o *qcow2.CreateOptions, s string) error { backing(o).Format = s; return nil }},
}

// shorthand are the letters of flags that qemu-img create has.
var shorthand = map[string]string{"backing_file": "b", "backing_fmt": "F"}

// backing is the part of o about the backing file, made on first use.
func backing(o *qcow2.CreateOptions) *qcow2.BackingOptions {
	if o.Backing == nil {
		o.Backing = new(qcow2.BackingOptions)
	}
	return o.Backing
}

// flagHelp is what --help says of the option.
func (o createOption) flagHelp() string {
	if o.otherwise == "" || o.otherwise == "0" {
		return o.help
	}
	return o.help + " (default " + o.otherwise + ")"
}

// isHelp reports whether the options of -o ask what there is.
func isHelp(list []string) bool {
	all := strings.Split(strings.Join(list, ","), ",")
	return slices.Contains(all, "help") || slices.Contains(all, "?")
}

// printOptions lists the options, as qemu-img does for -o help.
func printOptions(w io.Writer, options []createOption) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "OPTION\tVALUE\tDEFAULT\tMEANING")
	for _, o := range options {
		otherwise := o.otherwise
		if otherwise == "" {
			otherwise = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.key, o.kind, otherwise, o.help)
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

func setExtendedL2(o *qcow2.CreateOptions, s string) error {
	switch s {
	case "on", "true", "yes":
		o.ExtendedL2 = true
	case "off", "false", "no":
		o.ExtendedL2 = false
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

// parseCreate collects the options; flags of their own win over -o.
func parseCreate(list []string, values []*string) (qcow2.CreateOptions, error) {
	return parseCreateOver(qcow2.CreateOptions{}, list, values)
}

// parseCreateOver is parseCreate that changes options which are there already.
func parseCreateOver(o qcow2.CreateOptions, list []string, values []*string) (qcow2.CreateOptions, error) {
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
		if err := createOptions[i].set(&o, *v); err != nil {
			return o, fmt.Errorf("--%s: %w", createOptions[i].flag, err)
		}
	}
	return o, nil
}

func setOption(o *qcow2.CreateOptions, key, value string) error {
	for _, opt := range createOptions {
		if opt.key == key || opt.key == strings.ReplaceAll(key, "-", "_") {
			if err := opt.set(o, value); err != nil {
				return fmt.Errorf("-o %s: %w", opt.key, err)
			}
			return nil
		}
	}
	keys := make([]string, len(createOptions))
	for i, opt := range createOptions {
		keys[i] = opt.key
	}
	return fmt.Errorf("-o %s: no such option%s; there are %s (-o help explains them)", key, didYouMean(key, keys), strings.Join(keys, ", "))
}
