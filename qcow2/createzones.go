// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// validateZones judges zone.* options. Whatever passes is good in every
// revision of the format at once, but for zones of 4 GiB and more (not in v6)
// and append limits (not in v14).
func (o *CreateOptions) validateZones() error {
	if o.Zone == nil {
		return nil
	}
	for _, check := range []func() error{o.validateZoneSize, o.validateCapacity, o.validateLimits, o.validateRevision} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (o *CreateOptions) validateRevision() error {
	l, err := format.LayoutToWrite(o.Zone.Revision)
	if err != nil {
		return err
	}
	return l.CanHold(o.zoneExtension(), o.ClusterSize)
}

func (o *CreateOptions) validateZoneSize() error {
	z := o.Zone
	switch {
	case !format.IsPowerOfTwo(z.Size):
		return &format.OptionError{Option: "zone.size", Value: z.Size, Rule: "must be a power of two"}
	case z.Size < o.ClusterSize:
		return &format.OptionError{Option: "zone.size", Value: z.Size, Rule: fmt.Sprintf("must be a multiple of cluster_size (%d), so that a reset never touches a neighbour", o.ClusterSize)}
	case z.Size < uint64(o.LogicalBlockSize):
		return &format.OptionError{Option: "zone.size", Value: z.Size, Rule: fmt.Sprintf("must be a multiple of the logical block size %d", o.LogicalBlockSize)}
	case format.DivUp(o.Size, z.Size) > format.MaxZones:
		return &format.OptionError{Option: "zone.size", Value: z.Size, Rule: fmt.Sprintf("makes %d zones, at most %d are allowed; use larger zones", format.DivUp(o.Size, z.Size), format.MaxZones)}
	case uint64(z.Conventional) >= format.DivUp(o.Size, z.Size):
		return &format.OptionError{Option: "zone.conventional_zones", Value: z.Conventional,
			Rule: fmt.Sprintf("must be below the number of zones, %d", format.DivUp(o.Size, z.Size))}
	}
	return nil
}

func (o *CreateOptions) validateCapacity() error {
	z := o.Zone
	switch {
	case z.Capacity > z.Size:
		return &format.OptionError{Option: "zone.capacity", Value: z.Capacity,
			Rule: fmt.Sprintf("must not be above zone.size (%d)", z.Size)}
	case z.Capacity%uint64(o.LogicalBlockSize) != 0:
		return &format.OptionError{Option: "zone.capacity", Value: z.Capacity, Rule: fmt.Sprintf("must be a multiple of the logical block size %d", o.LogicalBlockSize)}
	case z.MaxAppendBytes%o.LogicalBlockSize != 0:
		return &format.OptionError{Option: "zone.max_append_bytes", Value: z.MaxAppendBytes, Rule: fmt.Sprintf("must be a multiple of the logical block size %d", o.LogicalBlockSize)}
	case uint64(z.MaxAppendBytes)+512 >= z.Capacity:
		return &format.OptionError{Option: "zone.max_append_bytes", Value: z.MaxAppendBytes, Rule: fmt.Sprintf("must stay more than 512 bytes below zone.capacity (%d)", z.Capacity)}
	}
	return nil
}

func (o *CreateOptions) validateLimits() error {
	z := o.Zone
	zones := uint32(format.DivUp(o.Size, z.Size))
	switch {
	case z.MaxActive > zones:
		return &format.OptionError{Option: "zone.max_active_zones", Value: z.MaxActive, Rule: fmt.Sprintf("must not be above the number of zones, %d", zones)}
	case z.MaxActive != 0 && z.MaxOpen > z.MaxActive:
		return &format.OptionError{Option: "zone.max_open_zones", Value: z.MaxOpen, Rule: fmt.Sprintf("must not be above zone.max_active_zones (%d)", z.MaxActive)}
	case z.MaxOpen > zones:
		return &format.OptionError{Option: "zone.max_open_zones", Value: z.MaxOpen, Rule: fmt.Sprintf("must not be above the number of zones, %d", zones)}
	}
	return nil
}

// zoneExtension is the extension to be stored, but for the table's offset. A
// limit no zone can reach is stored as none, as the newest revisions have it.
func (o *CreateOptions) zoneExtension() format.ZoneExtension {
	z := o.Zone
	x := format.ZoneExtension{
		Model:          format.ModelHostManaged,
		ZoneSize:       z.Size,
		ZoneCapacity:   z.Capacity,
		Conventional:   z.Conventional,
		Zones:          uint32(format.DivUp(o.Size, z.Size)),
		MaxActive:      z.MaxActive,
		MaxOpen:        z.MaxOpen,
		MaxAppendBytes: z.MaxAppendBytes,
	}
	sequential := x.Zones - x.Conventional
	if x.MaxActive >= sequential {
		x.MaxActive = 0
	}
	if x.MaxOpen >= sequential {
		x.MaxOpen = 0
	}
	return x
}
