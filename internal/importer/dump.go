// SPDX-License-Identifier: Apache-2.0

package importer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/format"
)

// ErrDump: the file is no zone information of a zbd dump, or of a device that
// can't become an image.
var ErrDump = errors.New("not a usable zbd dump")

// Dump is the zone information file of `zbd dump` (PREFIX_zone_info.dump), which
// goes with the device's data (PREFIX_zone_data.dump), byte by byte. Sizes and
// positions are bytes.
//
// The file is the device's struct zbd_info (128 bytes, libzbd/zbd.h), the range
// of zones dumped (u32 first, u32 behind the last; 192 bytes so far), and a
// struct zbd_zone of 64 bytes for every zone, all in host order: read as
// little-endian.
type Dump struct {
	Size      uint64
	ZoneSize  uint64
	BlockSize uint32 // logical block
	MaxOpen   uint32 // zones, 0: no limit or not known
	MaxActive uint32 // zones, 0: no limit or not known
	Zones     []DumpZone
}

// DumpZone is one zone of a dump.
type DumpZone struct {
	Start, Length, Capacity, WP uint64
	Type, Condition             uint32 // as enum blk_zone_type and blk_zone_cond have them
}

// Codes of <linux/blkzoned.h>.
const (
	typeConventional = 1
	typeSequential   = 2

	condEmpty    = 1
	condClosed   = 4 // 2 and 3 are open
	condReadOnly = 13
	condFull     = 14
	condOffline  = 15
)

const (
	dumpHeader = 192
	dumpZone   = 64
	unlimited  = 1<<32 - 1 // zbd_info: not known
)

// ParseDump decodes a zone information file and judges what it says.
func ParseDump(b []byte) (*Dump, error) {
	if len(b) < dumpHeader {
		return nil, dumpError("it has %d bytes, its header %d", len(b), dumpHeader)
	}
	le := binary.LittleEndian
	d := &Dump{
		Size: le.Uint64(b[32:]) * 512, ZoneSize: le.Uint64(b[56:]), BlockSize: le.Uint32(b[68:]),
		MaxOpen: known(le.Uint32(b[80:])), MaxActive: known(le.Uint32(b[84:])),
	}
	zones, first, end := le.Uint32(b[76:]), le.Uint32(b[128:]), le.Uint32(b[132:])
	switch {
	case zones == 0 || zones > format.MaxZones:
		return nil, dumpError("%d zones, outside 1 to %d", zones, format.MaxZones)
	case uint64(len(b)) != dumpHeader+uint64(zones)*dumpZone:
		return nil, dumpError("it has %d bytes, which are not those of %d zones", len(b), zones)
	case le.Uint64(b[32:])>>54 != 0 || d.ZoneSize == 0 || d.Size/d.ZoneSize >= 1<<32 ||
		(d.Size+d.ZoneSize-1)/d.ZoneSize != uint64(zones):
		return nil, dumpError("%d zones of %d bytes don't make a device of %d", zones, d.ZoneSize, d.Size)
	case first != 0 || end < zones:
		return nil, dumpError("it has the data of zones %d to %d only, of %d: dump all of the device", first, int64(end)-1, zones)
	}
	for b = b[dumpHeader:]; len(b) > 0; b = b[dumpZone:] {
		d.Zones = append(d.Zones, DumpZone{
			Start: le.Uint64(b), Length: le.Uint64(b[8:]), Capacity: le.Uint64(b[16:]), WP: le.Uint64(b[24:]),
			Type: le.Uint32(b[36:]), Condition: le.Uint32(b[40:]),
		})
	}
	return d, d.judge()
}

func known(limit uint32) uint32 {
	if limit == unlimited {
		return 0
	}
	return limit
}

func dumpError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDump, fmt.Sprintf(format, args...))
}

// judge refuses what no image with zones can be.
func (d *Dump) judge() error {
	conventional := d.conventional()
	for k, z := range d.Zones {
		start := uint64(k) * d.ZoneSize
		switch {
		case z.Start != start || z.Length != min(d.ZoneSize, d.Size-start):
			return dumpError("zone %d has %d bytes from %d on", k, z.Length, z.Start)
		case z.Type == typeConventional && uint32(k) >= conventional:
			return dumpError("zone %d is conventional behind sequential ones, which the format can't have", k)
		case z.Type == typeConventional && z.spoilt():
			return dumpError("zone %d is conventional and read-only or offline, which the format can't have", k)
		case z.Type == typeConventional:
		case z.Type != typeSequential:
			return dumpError("zone %d is of type %d; conventional (1) and sequential write required (2) are known", k, z.Type)
		case z.Capacity == 0 || z.Capacity != min(d.capacity(), z.Length):
			return dumpError("zone %d has a capacity of %d bytes, others of %d, and the format has one for all", k, z.Capacity, d.capacity())
		case z.Condition < condEmpty || z.Condition > condClosed && z.Condition < condReadOnly ||
			z.Condition > condOffline:
			return dumpError("zone %d has the condition %d", k, z.Condition)
		case z.Condition <= condClosed && (z.WP < z.Start || z.WP-z.Start > z.Capacity || z.WP%512 != 0):
			return dumpError("zone %d has its write pointer at %d", k, z.WP)
		}
	}
	return nil
}

// conventional is the number of zones at the start that are.
func (d *Dump) conventional() uint32 {
	n := uint32(0)
	for n < uint32(len(d.Zones)) && d.Zones[n].Type == typeConventional {
		n++
	}
	return n
}

// capacity is that of the first sequential zone.
func (d *Dump) capacity() uint64 {
	if n := d.conventional(); n < uint32(len(d.Zones)) {
		return d.Zones[n].Capacity
	}
	return d.ZoneSize
}

// conditions of the zones that can't be written.
func (d *Dump) conditions() []format.ConditionRun {
	var runs []format.ConditionRun
	for k, z := range d.Zones {
		if z.spoilt() {
			runs = append(runs, format.ConditionRun{First: uint32(k), Zones: 1,
				Condition: format.ZoneCondition(z.Condition)})
		}
	}
	return runs
}

func (z DumpZone) spoilt() bool { return z.Condition == condReadOnly || z.Condition == condOffline }

// writePointers of all zones; a full one's is its writable end. A device gives
// none for a zone that is read-only, whose data tells it, nor for one that is
// offline, which has no data to be relied on.
func (d *Dump) writePointers() []uint64 {
	wps := make([]uint64, len(d.Zones))
	for k, z := range d.Zones {
		switch {
		case z.Type == typeConventional || z.Condition == condEmpty || z.Condition == condOffline:
			wps[k] = z.Start
		case z.Condition == condReadOnly:
			wps[k] = convert.UnknownPointer
		case z.Condition == condFull:
			wps[k] = z.Start + z.Capacity
		default:
			wps[k] = z.WP
		}
	}
	return wps
}

// apply makes the dump's zones those of an image. What o says of them already
// must not differ.
func (d *Dump) apply(o *qcow2.CreateOptions) error {
	if o.Zone == nil {
		o.Zone = new(qcow2.ZoneOptions)
	}
	z := o.Zone
	for _, err := range []error{
		adopt("size", &o.Size, d.Size),
		adopt("logical_block_size", &o.LogicalBlockSize, d.BlockSize),
		adopt("zone.size", &z.Size, d.ZoneSize),
		adopt("zone.capacity", &z.Capacity, d.capacity()),
		adopt("zone.conventional_zones", &z.Conventional, d.conventional()),
		adopt("zone.max_open_zones", &z.MaxOpen, min(d.MaxOpen, uint32(len(d.Zones)))),
		adopt("zone.max_active_zones", &z.MaxActive, min(d.MaxActive, uint32(len(d.Zones)))),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func adopt[T comparable](option string, field *T, value T) error {
	var none T
	if *field != none && *field != value {
		return &format.OptionError{Option: option, Value: *field, Rule: fmt.Sprintf("the dump says %v; leave it out",
			value)}
	}
	*field = value
	return nil
}
