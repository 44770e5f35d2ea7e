// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"encoding/binary"
	"fmt"

	"zqublkd/qcow2/format"
)

// resizeZones makes the zones of the new header those of a disk of size bytes. New ones
// are empty; those taken away are gone with what they held.
func (e *editor) resizeZones(size uint64) error {
	data, err := e.zoneExtension()
	if err != nil {
		return err
	}
	layout := format.LayoutNamed(e.zones.Revision)
	x := layout.Decode(data)
	if err := e.mayResizeZones(layout, &x, size); err != nil {
		return err
	}
	table, _, err := format.FindZoneTable(e.read, layout, e.zones)
	if err != nil {
		return err
	}
	old := e.zones.Zones
	if err := e.placeZones(&x); err != nil {
		return err
	}
	codec := format.EntryCodec{Layout: layout, Info: format.NewZonedInfo(layout, x, size), Order: table.Order}
	var slots []format.ZoneSlot
	for k := old; k < x.Zones; k++ {
		slots = append(slots, format.ZoneSlot{Zone: k, WP: codec.Info.ZoneStart(k)})
	}
	copy(data, layout.Encode(x))
	return codec.EncodeSlots(slots, e.write)
}

// mayResizeZones says why these zones can't be others, and puts their number into x.
func (e *editor) mayResizeZones(l *format.ZoneLayout, x *format.ZoneExtension, size uint64) error {
	rule := func(text string, args ...any) error {
		return &format.OptionError{Option: "size", Value: size, Rule: fmt.Sprintf(text, args...)}
	}
	n := size / x.ZoneSize
	switch {
	case l.Conditioned:
		return &format.UnsupportedError{Feature: "resizing an image of layout " + l.Name, WayOut: "convert it first: zqublkd amend -o zone.revision=v6"}
	case e.h.BackingFile != "":
		return &format.UnsupportedError{Feature: "resizing a zoned overlay: it has the zones of its backing file", WayOut: "zqublkd convert makes an image of it that stands alone"}
	case e.h.Size%x.ZoneSize != 0:
		return &format.UnsupportedError{Feature: "resizing a disk whose last zone is shorter than the others", WayOut: "zqublkd convert makes an image of other zones"}
	case size%x.ZoneSize != 0:
		return rule("must be a multiple of the zone size %d: zones are added and taken away whole", x.ZoneSize)
	case n > format.MaxZones:
		return rule("makes %d zones, at most %d are allowed", n, format.MaxZones)
	case n < uint64(x.Conventional):
		return rule("leaves %d zones, and the first %d are conventional", n, x.Conventional)
	}
	for _, data := range format.FindExtensions(e.h.Extensions, format.ExtPrivate) {
		p, err := format.ParsePrivate(data)
		if err != nil {
			return err
		}
		for _, r := range p.Conditions {
			if r.End() > n {
				return rule("takes away zones that are %v: make them normal first, with zqublkd zone set", r.Condition)
			}
		}
	}
	x.Zones = uint32(n)
	if err := format.CheckZoneRules(*x); err != nil {
		return err
	}
	return l.CanHold(*x, e.g.ClusterSize())
}

// placeZones finds clusters for the table of x, and gives those back that it needs no
// more. Entries that stay are there then.
func (e *editor) placeZones(x *format.ZoneExtension) error {
	had, needs := e.g.Clusters(e.zones.TableSize()), e.g.Clusters(uint64(x.Zones)*format.ZoneEntrySize)
	old := e.zones.TableOffset
	switch {
	case needs == had:
		return nil
	case needs < had:
		return e.refs.each(old+needs<<e.g.ClusterBits, (had-needs)<<e.g.ClusterBits, e.refs.drop)
	}
	raw := make([]byte, needs<<e.g.ClusterBits)
	if err := e.read(raw[:e.zones.TableSize()], old); err != nil {
		return err
	}
	at, err := e.refs.take(needs)
	if err != nil {
		return err
	}
	if err := e.refs.each(old, had<<e.g.ClusterBits, e.refs.drop); err != nil {
		return err
	}
	x.TableOffset = at
	return e.write(raw, at)
}

// zoneExtension is the data of the zoned extension in the new header.
func (e *editor) zoneExtension() ([]byte, error) {
	b := e.sector[min(e.h.Length(), headerSector):]
	for len(b) >= format.ExtensionHeader {
		kind := format.ExtensionType(binary.BigEndian.Uint32(b))
		n := uint64(binary.BigEndian.Uint32(b[4:]))
		b = b[format.ExtensionHeader:]
		if n > uint64(len(b)) {
			break
		}
		if kind == format.ExtZoned {
			return b[:n], nil
		}
		b = b[min(format.RoundUp(n, 8), uint64(len(b))):]
	}
	return nil, &format.UnsupportedError{Feature: "resizing an image whose zoned extension is not in the header's first 512 bytes",
		WayOut: "zqublkd convert makes a copy where it is"}
}
