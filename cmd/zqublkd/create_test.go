// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
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
		"size=lots":                      "give a number of bytes",
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
	flags, options := mustRun(t, "create", "--help"), mustRun(t, "create", "-o", "help")
	for option, want := range map[string]string{
		"cluster_size": "64K", "refcount_bits": "16", "extended_l2": "off", "logical_block_size": "4096 with zones, else 512",
		"zone.revision": "v6", "zone.size": "256M", "zone.capacity": "the zone size", "zone.max_open_zones": "zone.max_active_zones",
	} {
		if !strings.Contains(flags, "(default "+want+")") {
			t.Errorf("--help does not say %q of %s", want, option)
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(option) + ` .*  ` + regexp.QuoteMeta(want) + `  `).MatchString(options) {
			t.Errorf("-o help does not say %q of %s:\n%s", want, option, options)
		}
	}
	for _, want := range []string{"zone.conventional_zones  number     0 ", "zone.max_active_zones    number     0 ", "zone.max_append_bytes    size       0 ", "0: none", "0: as large as a request"} {
		if !strings.Contains(options, want) {
			t.Errorf("-o help does not say %q:\n%s", want, options)
		}
	}
}

// What no kernel takes is made only with --force, and a refused create leaves
// nothing.
func TestCreateRefusesWhatCantBeServed(t *testing.T) {
	for name, c := range map[string]struct{ options, says string }{
		"short last zone": {"size=100M,zone.mode=host-managed,zone.size=8M", "the last zone is short"},
		"too many zones":  {"size=1048640K,zone.mode=host-managed,zone.size=64K", "16385 zones are more than the 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "d.qcow2")
			text, err := run("create", "-o", c.options, image)
			if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "--force") {
				t.Errorf("%v %s", err, text)
			}
			if _, err := os.Lstat(image); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a refused create left an image: %v", err)
			}
			if text := mustRun(t, "create", "-o", c.options, image, "--force"); !strings.Contains(text, "can't be served here") {
				t.Errorf("with --force: %s", text)
			}
		})
	}
}
