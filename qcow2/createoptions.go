// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// CreateOptions describe an image to be made. Sizes are bytes; 0 stands for the
// default where one is named.
type CreateOptions struct {
	Size             uint64 // virtual size
	ClusterSize      uint64 // default 64 KiB
	RefcountBits     uint32 // 1 to 64, default 16
	ExtendedL2       bool
	LogicalBlockSize uint32       // 512 or 4096, default 4096 with zones, else 512, the only one QEMU has
	Zone             *ZoneOptions // nil: a plain image, or the zones of the backing file

	Backing *BackingOptions // nil: none
}

// ZoneOptions describe the zones, as the zone.* options of qemu-img do.
type ZoneOptions struct {
	Revision       string // default "v6"
	Size           uint64 // default 256 MiB
	Capacity       uint64 // default Size
	Conventional   uint32 // zones
	MaxOpen        uint32 // zones, 0: no limit
	MaxActive      uint32 // zones, 0: no limit
	MaxAppendBytes uint32 // 0: no limit
	Counters       bool   // keep counters of what is done to each zone
}

// Defaults of CreateOptions and ZoneOptions.
const (
	DefaultClusterSize           = 64 << 10
	DefaultRefcountBits          = 16
	DefaultZonedLogicalBlockSize = 4096
	DefaultZoneSize              = 256 << 20
	DefaultRevision              = "v6"
)

// WithDefaults returns the options with what was left out, but for the size.
func (o CreateOptions) WithDefaults() CreateOptions {
	setDefault(&o.ClusterSize, DefaultClusterSize)
	setDefault(&o.RefcountBits, DefaultRefcountBits)
	if o.Zone == nil {
		setDefault(&o.LogicalBlockSize, format.DefaultLogicalBlockSize)
		return o
	}
	setDefault(&o.LogicalBlockSize, DefaultZonedLogicalBlockSize)
	z := *o.Zone
	o.Zone = &z
	setDefault(&z.Revision, DefaultRevision)
	setDefault(&z.Size, DefaultZoneSize)
	setDefault(&z.Capacity, z.Size)
	if z.MaxOpen == 0 {
		z.MaxOpen = z.MaxActive
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate says which option breaks which rule, as an *OptionError. Rules are
// those of the format and of every series that reads it; what a kernel can take
// as a zoned block device is narrower.
func (o CreateOptions) Validate() error {
	_, err := o.complete()
	return err
}

// complete are the options with all that was left out, once they pass Validate.
func (o CreateOptions) complete() (CreateOptions, error) {
	o, err := o.overBacking()
	if err != nil {
		return o, err
	}
	o = o.WithDefaults()
	for _, check := range []func() error{o.validateCluster, o.validateSize, o.validateZones} {
		if err := check(); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *CreateOptions) validateCluster() error {
	switch {
	case !format.IsPowerOfTwo(o.ClusterSize) || o.ClusterSize < 1<<format.MinClusterBits ||
		o.ClusterSize > 1<<format.MaxClusterBits:
		return &format.OptionError{Option: "cluster_size", Value: o.ClusterSize,
			Rule: "must be a power of two from 512 to 2M"}
	case !format.IsPowerOfTwo(uint64(o.RefcountBits)) || o.RefcountBits > 64:
		return &format.OptionError{Option: "refcount_bits", Value: o.RefcountBits,
			Rule: "must be a power of two from 1 to 64"}
	case !format.ValidLogicalBlock(o.LogicalBlockSize):
		return &format.OptionError{Option: "logical_block_size", Value: o.LogicalBlockSize, Rule: "must be 512 or 4096"}
	case o.ExtendedL2 && o.ClusterSize < 1<<format.MinExtL2ClusterBt:
		return &format.OptionError{Option: "extended_l2", Value: "on", Rule: "needs a cluster_size of 16K or more"}
	}
	return nil
}

func (o *CreateOptions) validateSize() error {
	switch {
	case o.Size == 0:
		return &format.OptionError{Option: "size", Value: o.Size, Rule: "an image needs a size"}
	case o.Size%uint64(o.LogicalBlockSize) != 0:
		return &format.OptionError{Option: "size", Value: o.Size, Rule: fmt.Sprintf("must be a multiple of the logical block size %d", o.LogicalBlockSize)}
	case o.Size > o.largestSize():
		return &format.OptionError{Option: "size", Value: o.Size, Rule: fmt.Sprintf("clusters of %d bytes map at most %d bytes; use a larger cluster_size", o.ClusterSize, o.largestSize())}
	}
	return nil
}

// largestSize is the virtual size the largest L1 table maps; bytes.
func (o *CreateOptions) largestSize() uint64 {
	g := o.Geometry()
	return min(format.MaxL1Bytes/8*g.L2Coverage(), format.MaxVirtualSize&^(1<<format.MaxClusterBits-1))
}

// Geometry returns the sizes that follow from the options, once they pass Validate.
func (o *CreateOptions) Geometry() format.Geometry {
	h := &format.Header{ClusterBits: log2(o.ClusterSize), RefcountOrder: log2(uint64(o.RefcountBits))}
	if o.ExtendedL2 {
		h.Incompatible = format.IncompatExtendedL2
	}
	return format.GeometryOf(h)
}

func log2(n uint64) uint32 {
	bits := uint32(0)
	for ; n > 1; n >>= 1 {
		bits++
	}
	return bits
}
