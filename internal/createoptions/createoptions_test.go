// SPDX-License-Identifier: Apache-2.0

package createoptions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/qcow2"
)

// flagValues are the values of create's own flags, as given.
func flagValues(given map[string]string) []*string {
	values := make([]*string, len(All))
	for i, o := range All {
		v := given[o.Flag]
		values[i] = &v
	}
	return values
}

func TestParse(t *testing.T) {
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
			got, err := Parse(c.list, flagValues(c.flags))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for list, want := range map[string]string{
		"sise=1G":                        "no such option",
		"size=lots":                      "give a number of bytes",
		"zone.size=1M":                   "need zone.mode",
		"zone.mode=host-aware":           "only host-managed",
		"refcount_bits=many":             "no whole number",
		"extended_l2=maybe":              "neither on nor off",
		"zone.max_open_zones=5000000000": "no whole number",
	} {
		if _, err := Parse([]string{list}, flagValues(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", list, err, want)
		}
	}
}
