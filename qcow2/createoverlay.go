// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
	"strings"

	"zqublkd/qcow2/format"
)

// BackingOptions name the backing file of an image to be made.
type BackingOptions struct {
	Name   string // as the image stores it; a relative path starts at the folder of the image
	Format string // "qcow2", "raw"

	// Image is the one in the backing file if its format is qcow2, opened
	// read-only, perhaps Lenient: nothing but its header and its zone table is
	// looked at. It must not change until the overlay has been made.
	Image *Image

	Size uint64 // of a raw backing file, in bytes
}

// overBacking fills in what the backing file decides. An overlay of a zoned image
// has its zones, with the conditions and write pointers of this moment.
func (o CreateOptions) overBacking() (CreateOptions, error) {
	b := o.Backing
	if b == nil {
		return o, nil
	}
	if err := b.validate(); err != nil {
		return o, err
	}
	if b.Image != nil && b.Image.zones != nil {
		return o.OverZones(b.Image)
	}
	if o.Zone != nil {
		return o, &format.OptionError{Option: "zone.mode", Value: "host-managed", Rule: "the backing file has no zones, and an overlay has those of its backing file"}
	}
	size, block := b.Size, uint32(format.DefaultLogicalBlockSize)
	if b.Image != nil {
		size, block = b.Image.size, b.Image.LogicalBlockSize()
	}
	setDefault(&o.LogicalBlockSize, block)
	setDefault(&o.Size, format.RoundUp(size, uint64(o.LogicalBlockSize)))
	return o, nil
}

func (b *BackingOptions) validate() error {
	switch {
	case b.Name == "" || strings.ContainsRune(b.Name, 0):
		return &format.OptionError{Option: "backing_file", Value: b.Name, Rule: "leads to no file"}
	case len(b.Name) > format.MaxBackingName:
		return &format.OptionError{Option: "backing_file", Value: b.Name, Rule: fmt.Sprintf("has %d bytes, an image has room for %d: choose a shorter path", len(b.Name), format.MaxBackingName)}
	case b.Format != "raw" && b.Format != "qcow2":
		return &format.OptionError{Option: "backing_fmt", Value: b.Format, Rule: "must be qcow2 or raw"}
	case b.Image == nil:
		return nil
	}
	return b.Image.mayBack()
}

// mayBack says what keeps an image from being a backing file. That it names
// files which were not opened does not: whoever uses the overlay decides that.
func (i *Image) mayBack() error {
	for _, r := range i.obstacles {
		if r.Stops == UseRead && !errors.Is(r.Err, ErrNotFollowed) {
			return fmt.Errorf("the backing file: %w", r.Err)
		}
	}
	return nil
}

// OverZones returns the options of an overlay or a copy of a zoned image: what base decides is
// filled in.
func (o CreateOptions) OverZones(base *Image) (CreateOptions, error) {
	z, next := base.zones, ZoneOptions{}
	if o.Zone != nil {
		next.Revision, next.Counters = o.Zone.Revision, o.Zone.Counters
		if *o.Zone != next {
			return o, &format.OptionError{Option: "zone.size", Value: o.Zone.Size, Rule: "zones and limits are those of the zoned image it is made of: of the zone options give zone.revision and zone.counters only"}
		}
	}
	setDefault(&o.Size, base.size)
	setDefault(&o.LogicalBlockSize, base.LogicalBlockSize())
	switch {
	case o.Size != base.size:
		return o, &format.OptionError{Option: "size", Value: o.Size, Rule: fmt.Sprintf("must be that of the zoned image it is made of, %d", base.size)}
	case o.LogicalBlockSize != base.LogicalBlockSize():
		return o, &format.OptionError{Option: "logical_block_size", Value: o.LogicalBlockSize, Rule: fmt.Sprintf("must be that of the zoned image it is made of, %d", base.LogicalBlockSize())}
	}
	if o.ClusterSize == 0 && z.ZoneSize%DefaultClusterSize != 0 {
		o.ClusterSize = base.ClusterSize()
	}
	if next.Revision == "" && !format.LayoutNamed(z.Revision).Conditioned {
		next.Revision = z.Revision
	}
	next.Size, next.Capacity, next.Conventional = z.ZoneSize, z.ZoneCapacity, z.Conventional
	next.MaxOpen, next.MaxActive, next.MaxAppendBytes = z.MaxOpen, z.MaxActive, z.MaxAppendBytes
	o.Zone = &next
	return o, nil
}

// baseImage is the image that the one to be made lies over, nil if over none.
func (o *CreateOptions) baseImage() *Image {
	if o.Backing == nil {
		return nil
	}
	return o.Backing.Image
}

// slots are the zone table's: those of the backing file, else of EMPTY zones.
func (b *builder) slots(info *format.ZonedInfo) ([]format.ZoneSlot, error) {
	slots := make([]format.ZoneSlot, info.Zones)
	for k := range slots {
		slots[k] = format.ZoneSlot{Zone: uint32(k), WP: info.ZoneStart(uint32(k))}
	}
	base := b.options.baseImage()
	if base == nil {
		return slots, nil
	}
	err := base.EachZone(func(zone uint32, e format.ZoneEntry) error {
		slots[zone].WP = e.WP
		return nil
	})
	return slots, err
}
