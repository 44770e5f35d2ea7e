// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"cmp"
	"fmt"
	"strings"

	"zqublkd/qcow2"
)

// Profile is a drive. Sizes are bytes.
type Profile struct {
	Name  string // of the kind of drive
	Alias string // the drive's own; empty: it stands for no single one
	Drive string // in words

	Zones          uint32 // that the drive has; 0: not published
	ZoneSize       uint64
	ZoneCapacity   uint64
	Conventional   uint32 // zones, of Zones, or of share where these are not published
	MaxOpen        uint32 // zones; 0: no limit
	MaxActive      uint32 // zones; 0: no limit
	MaxAppendBytes uint32 // 0: as large as a request
	Block          uint32 // logical
}

// share is what Conventional is a part of, where the number of zones is not published.
const share = 1000

const (
	mib = 1 << 20
	gib = 1 << 30
)

// All are the profiles that there are.
var All = []Profile{
	{
		Name: "hm-smr", Alias: "hc620", Drive: "host-managed SMR: WD Ultrastar DC HC620, 14 TB",
		Zones: 52156, ZoneSize: 256 * mib, ZoneCapacity: 256 * mib, Conventional: 524, MaxOpen: 128, Block: 4096,
	},
	{
		Name: "zns", Alias: "zn540", Drive: "ZNS, capacity below size: WD Ultrastar DC ZN540, 1 TB",
		Zones: 904, ZoneSize: 2 * gib, ZoneCapacity: 1077 * mib, MaxOpen: 14, MaxActive: 14, Block: 4096,
	},
	{
		Name: "zns-small", Alias: "pm1731a", Drive: "ZNS, small zones: Samsung PM1731a",
		ZoneSize: 128 * mib, ZoneCapacity: 96 * mib, MaxOpen: 384, MaxActive: 384, Block: 4096,
	},
	{
		Name: "zoned-ufs", Drive: "zoned UFS: JESD220-5, as f2fs uses it",
		ZoneSize: 256 * mib, ZoneCapacity: 192 * mib, Conventional: 20, MaxOpen: 6, MaxAppendBytes: mib, Block: 4096,
	},
}

// Find is the profile of that name.
func Find(name string) (Profile, bool) {
	for _, p := range All {
		if strings.EqualFold(name, p.Name) || p.Alias != "" && strings.EqualFold(name, p.Alias) {
			return p, true
		}
	}
	return Profile{}, false
}

// Names are those of all profiles, and of the drives.
func Names() []string {
	var names []string
	for _, p := range All {
		names = append(names, p.Name)
	}
	for _, p := range All {
		if p.Alias != "" {
			names = append(names, p.Alias)
		}
	}
	return names
}

// Options are those of an image with the size that is given, to which the rest of what is
// given is yet to be applied: where it leaves less room than the drive has, the drive's
// numbers give way. Of smaller zones the same share can be written.
func (p Profile) Options(given qcow2.CreateOptions) qcow2.CreateOptions {
	z := &qcow2.ZoneOptions{
		Size: p.ZoneSize, Capacity: p.ZoneCapacity, MaxOpen: p.MaxOpen, MaxActive: p.MaxActive,
		MaxAppendBytes: p.MaxAppendBytes,
	}
	var want qcow2.ZoneOptions
	if given.Zone != nil {
		want = *given.Zone
	}
	if want.Size != 0 && want.Size != p.ZoneSize {
		z.Size, z.Capacity = want.Size, p.capacityOf(want.Size)
	}
	if smallest := min(z.Capacity, cmp.Or(want.Capacity, z.Capacity)); uint64(z.MaxAppendBytes) >= smallest {
		z.MaxAppendBytes = 0
	}
	zones := uint32(min(divUp(given.Size, z.Size), 1<<31))
	z.Conventional = p.conventionalOf(zones)
	z.MaxActive = min(z.MaxActive, zones)
	z.MaxOpen = min(z.MaxOpen, zones, cmp.Or(want.MaxActive, zones))
	return qcow2.CreateOptions{Size: given.Size, LogicalBlockSize: p.Block, Zone: z}
}

// Share is the part of the zones that are conventional, in words.
func (p Profile) Share() string {
	if p.Conventional == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(p.Conventional)/float64(p.all()))
}

// all is the number of zones that Conventional is of.
func (p Profile) all() uint32 { return cmp.Or(p.Zones, share) }

// capacityOf is the drive's share of a zone of another size, in whole blocks.
func (p Profile) capacityOf(zoneSize uint64) uint64 {
	const parts = 1 << 11 // of which zones and capacities of the drives are multiples
	share := p.ZoneCapacity / (p.ZoneSize / parts)
	return max(zoneSize/parts*share, uint64(p.Block)) / uint64(p.Block) * uint64(p.Block)
}

// conventionalOf is the drive's share of conventional zones; one at least if it has any, and
// never all of them.
func (p Profile) conventionalOf(zones uint32) uint32 {
	if p.Conventional == 0 || zones < 2 {
		return 0
	}
	all := uint64(p.all())
	n := (uint64(zones)*uint64(p.Conventional) + all/2) / all
	return uint32(min(max(n, 1), uint64(zones)-1))
}

func divUp(a, b uint64) uint64 { return (a + b - 1) / b }
