package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/qcow2"
)

// flagValues are the values of create's own flags, as given.
func flagValues(given map[string]string) []*string {
	values := make([]*string, len(createOptions))
	for i, o := range createOptions {
		v := given[o.flag]
		values[i] = &v
	}
	return values
}

func TestParseCreate(t *testing.T) {
	zoned := func(z qcow2.ZoneOptions) *qcow2.ZoneOptions { return &z }
	for name, c := range map[string]struct {
		list  []string
		flags map[string]string
		want  qcow2.CreateOptions
	}{
		"plain": {list: []string{"size=1G"}, want: qcow2.CreateOptions{Size: 1 << 30}},
		"as qemu-img spells it": {
			list: []string{"size=768M,zone.mode=host-managed,zone.size=64M", "zone.capacity=48M,zone.max_append_bytes=64k"},
			want: qcow2.CreateOptions{Size: 768 << 20, Zone: zoned(qcow2.ZoneOptions{Size: 64 << 20, Capacity: 48 << 20, MaxAppendBytes: 64 << 10})},
		},
		"dashes as underscores": {
			list: []string{"cluster-size=4K,size=1M,zone.mode=host-managed,zone.max-open-zones=3"},
			want: qcow2.CreateOptions{Size: 1 << 20, ClusterSize: 4096, Zone: zoned(qcow2.ZoneOptions{MaxOpen: 3})},
		},
		"flags alone": {
			flags: map[string]string{"size": "1G", "zone-size": "16M", "zone-conventional-zones": "2"},
			want:  qcow2.CreateOptions{Size: 1 << 30, Zone: zoned(qcow2.ZoneOptions{Size: 16 << 20, Conventional: 2})},
		},
		"flags win": {
			list: []string{"size=1G,refcount_bits=1"}, flags: map[string]string{"size": "2G"},
			want: qcow2.CreateOptions{Size: 2 << 30, RefcountBits: 1},
		},
		"zones by default": {list: []string{"size=1G,zone.mode=host-managed"}, want: qcow2.CreateOptions{Size: 1 << 30, Zone: zoned(qcow2.ZoneOptions{})}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCreate(c.list, flagValues(c.flags))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseCreateRefuses(t *testing.T) {
	for list, want := range map[string]string{
		"sise=1G":                        "no such option",
		"size=lots":                      "whole number of bytes",
		"zone.size=1M":                   "need zone.mode",
		"zone.mode=host-aware":           "only host-managed",
		"refcount_bits=many":             "no whole number",
		"extended_l2=maybe":              "neither on nor off",
		"zone.max_open_zones=5000000000": "no whole number",
	} {
		if _, err := parseCreate([]string{list}, flagValues(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", list, err, want)
		}
	}
}

func TestR56_DefaultsAreDocumented(t *testing.T) {
	help, err := runCommand(t, "create", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cluster size (default 64K)", "(default 16)", "512 or 4096 (default 4096 with zones, else 512)", "layout of the zone metadata (default v6)",
		"zone size, a power of two (default 256M)", "(default: the zone size)", "conventional zones (default 0)", "open zones, 0: none", "active zones, 0: none", "0: as large as a request"} {
		if !strings.Contains(help, want) {
			t.Errorf("the help does not say %q", want)
		}
	}
}
