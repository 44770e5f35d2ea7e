// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// loadZones finds out whether and how the image is zoned, and reads its zone
// table through. Doubts become refusals; an error is a failed read.
func (i *Image) loadZones(o OpenOptions) error {
	found := format.FindExtensions(i.header.Extensions, format.ExtZoned)
	if len(found) == 0 {
		if i.header.Incompatible&format.IncompatZoned != 0 {
			i.refuse(UseRead, &format.UnsupportedError{Feature: "incompatible bit 5 (zoned format) without the zoned header extension",
				WayOut: "it marks plain images of the broken v5 series: check --repair all makes it usable as a plain one"})
		}
		return nil
	}
	if len(found) > 1 {
		i.refuse(UseRead, fmt.Errorf("%d zoned header extensions: %w", len(found), format.ErrCorrupt))
		return nil
	}
	l, x, err := format.DetectLayout(found[0], format.ZoneContext{VirtualSize: i.size, FileSize: i.file.length.Load(),
		ClusterSize: i.geo.ClusterSize()})
	if err == nil {
		err = format.CheckZoneRules(x)
	}
	if err == nil {
		err = l.PlausibleTable(x, format.ZoneContext{VirtualSize: i.size, FileSize: i.file.length.Load(),
			ClusterSize: i.geo.ClusterSize()})
	}
	if err != nil {
		i.refuse(UseRead, err)
		return nil
	}
	i.zones = format.NewZonedInfo(l, x, i.size)
	i.judgeLayout(l, o)
	return i.loadZoneTable(l)
}

// judgeLayout: incompatible bit 5 must go with the extension, and what entries
// mean must be known to write them.
func (i *Image) judgeLayout(l *format.ZoneLayout, o OpenOptions) {
	hasBit := i.header.Incompatible&format.IncompatZoned != 0
	switch {
	case hasBit || !l.NeedsBit:
	case l == format.LayoutV6:
		i.refuse(UseWrite, fmt.Errorf("zoned extension without incompatible bit 5, as the broken v5 series wrote it: run check --repair all, or open it read-only: %w", format.ErrCorrupt))
	default:
		i.refuse(UseRead, fmt.Errorf("zoned extension (%s) without incompatible bit 5: run check --repair all: %w", l.Name, format.ErrCorrupt))
	}
	if l.Conditioned && !o.amend {
		i.refuse(UseWrite, &format.UnsupportedError{Feature: "writing to a zoned image of layout " + l.Name, WayOut: "open it read-only, or make it one of layout v6: zqublkd amend -o zone.revision=v6"})
	}
}

func (i *Image) loadZoneTable(l *format.ZoneLayout) error {
	var err error
	if i.table, i.tally, err = format.FindZoneTable(i.file.read, l, i.zones); err != nil {
		return err
	}
	i.zones.BigEndian = i.table.BigEndian()
	i.refuse(UseRead, i.tally.Broken)
	if n := i.tally.Wrapped; n > 0 {
		i.refuse(UseWrite, fmt.Errorf("%w: %d zones from 4 GiB on; run check --repair all, or open it read-only", ErrWrapped, n))
	}
	return nil
}

// EachZone calls f with every entry of the zone table in the order of zones, as
// the file has them now, until f fails; the error is that of f or of a read. A
// plain image has none.
func (i *Image) EachZone(f func(zone uint32, e format.ZoneEntry) error) error {
	if i.zones == nil {
		return nil
	}
	return i.table.Each(func(zone uint32, word uint64) error { return f(zone, i.table.Decode(zone, word)) })
}
