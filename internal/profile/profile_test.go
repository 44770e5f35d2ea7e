// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
)

// made is what an image of these options has.
func made(t *testing.T, o qcow2.CreateOptions) *qcow2.Image {
	t.Helper()
	f := new(storagetest.Mem)
	if err := qcow2.Create(f, o); err != nil {
		t.Fatal(err)
	}
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestImages: an image of each profile has what the drive has, and as many zones as its size
// makes.
func TestImages(t *testing.T) {
	type has struct {
		Zones, Conventional, Open, Active, Append uint32
		Size, Capacity                            uint64
	}
	for name, c := range map[string]struct {
		profile string
		given   qcow2.CreateOptions
		want    has
	}{
		"hm-smr":             {"hm-smr", qcow2.CreateOptions{Size: 1 << 40}, has{4096, 41, 128, 0, 0, 256 * mib, 256 * mib}},
		"hm-smr, few zones":  {"hc620", qcow2.CreateOptions{Size: 4 * gib}, has{16, 1, 0, 0, 0, 256 * mib, 256 * mib}},
		"zns":                {"zns", qcow2.CreateOptions{Size: 904 * 2 * gib}, has{904, 0, 14, 14, 0, 2 * gib, 1077 * mib}},
		"zns, few zones":     {"ZN540", qcow2.CreateOptions{Size: 16 * gib}, has{8, 0, 0, 0, 0, 2 * gib, 1077 * mib}},
		"zns, smaller zones": {"zns", qcow2.CreateOptions{Size: 2 * gib, Zone: &qcow2.ZoneOptions{Size: 64 * mib}}, has{32, 0, 14, 14, 0, 64 * mib, 35291136}},
		"zns, fewer active":  {"zns", qcow2.CreateOptions{Size: 64 * gib, Zone: &qcow2.ZoneOptions{MaxActive: 4}}, has{32, 0, 4, 14, 0, 2 * gib, 1077 * mib}},
		"zns-small":          {"zns-small", qcow2.CreateOptions{Size: 64 * gib}, has{512, 0, 384, 384, 0, 128 * mib, 96 * mib}},
		"zoned-ufs":          {"zoned-ufs", qcow2.CreateOptions{Size: 128 * gib}, has{512, 10, 6, 0, mib, 256 * mib, 192 * mib}},
		"zoned-ufs, tiny zones": {"zoned-ufs", qcow2.CreateOptions{Size: 64 * mib, Zone: &qcow2.ZoneOptions{Size: mib}},
			has{64, 1, 6, 0, 0, mib, 768 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := Find(c.profile)
			if !ok {
				t.Fatal("there is no such profile")
			}
			img := made(t, p.Options(c.given))
			z := img.Zoned()
			got := has{z.Zones, z.Conventional, z.MaxOpen, z.MaxActive, z.MaxAppendBytes, z.ZoneSize, z.ZoneCapacity}
			if d := cmp.Diff(c.want, got); d != "" || img.LogicalBlockSize() != p.Block {
				t.Errorf("blocks of %d: %s", img.LogicalBlockSize(), d)
			}
		})
	}
}

// TestEverySize: whatever the size, the options pass.
func TestEverySize(t *testing.T) {
	for _, p := range All {
		for zones := uint64(2); zones <= 16384; zones = zones*3/2 + 1 {
			if err := p.Options(qcow2.CreateOptions{Size: zones * p.ZoneSize}).Validate(); err != nil {
				t.Errorf("%s of %d zones: %v", p.Name, zones, err)
			}
		}
	}
}

// TestDocumented: docs/profiles.md has a row for each, with the drive's numbers.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range All {
		if !strings.Contains(string(text), "\n| `"+p.Name+"` ") || p.Alias != "" && !strings.Contains(string(text), "`"+p.Alias+"`") {
			t.Errorf("docs/profiles.md says nothing of %s, %s", p.Name, p.Alias)
		}
	}
	if _, ok := Find(""); ok {
		t.Error("a profile without a name")
	}
}
