// SPDX-License-Identifier: Apache-2.0

package check

import (
	"zqublkd/qcow2/format"
)

// checkZones counts the zone table and compares its entries with the geometry.
func (c *checker) checkZones() error {
	flagged := c.h.Incompatible&format.IncompatZoned != 0
	data := c.extension(format.ExtZoned, "zoned", 0)
	if data == nil {
		if flagged {
			c.wrongBit = len(format.FindExtensions(c.h.Extensions, format.ExtZoned)) == 0
			c.damage(format.IncompatibleField, "incompatible bit 5 says the image is zoned, and it has no usable zoned extension: series v5 marked plain images so, and repair mode all clears the bit unless a leak may be a lost zone table")
		}
		return nil
	}
	layout, x, err := format.DetectLayout(data, format.ZoneContext{VirtualSize: c.h.Size, FileSize: c.size,
		ClusterSize: c.g.ClusterSize()})
	if err == nil {
		err = format.CheckZoneRules(x)
	}
	if err != nil {
		c.damage(0, "%v", err)
		return nil
	}
	if layout.NeedsBit && !flagged {
		c.wrongBit = c.h.Version >= 3
		c.corruption(format.IncompatibleField, "the image is zoned and incompatible bit 5 is clear (series v5 left it so): programs that don't know zones will write to it; repair mode all sets the bit")
	}
	return c.checkZoneTable(layout, x)
}

func (c *checker) checkZoneTable(layout *format.ZoneLayout, x format.ZoneExtension) error {
	c.zones = format.NewZonedInfo(layout, x, c.h.Size)
	off, n := c.zones.TableOffset, c.zones.TableSize()
	if !c.countAligned(format.KindZoneTable, off, n, 1, "zone table") {
		return nil
	}
	c.report.ZoneTableClusters = c.g.Clusters(n)
	table, found, err := format.FindZoneTable(c.read, layout, c.zones)
	if err != nil {
		return err
	}
	c.zoneTable = table
	if found.Lost {
		c.corruption(off, "%v", found.Broken)
		return nil
	}
	// found.broken is that of the first bad entry; each gets its own finding.
	if table.Order != layout.ByteOrder() {
		c.note(off, "the zone table is big-endian, as a host of that order left it: zqublkd amend -o zone.revision=%s rewrites it", layout.Name)
	}
	return table.Each(func(i uint32, word uint64) error {
		c.checkZone(i, word)
		return nil
	})
}

func (c *checker) checkZone(i uint32, word uint64) {
	e := c.zoneTable.Decode(i, word)
	at := c.zones.TableOffset + uint64(i)*format.ZoneEntrySize
	switch {
	case e.Invalid:
		c.corruption(at, "%v", c.zoneTable.Complain(i, e))
	case e.Wrapped:
		c.zoneRepair = append(c.zoneRepair, format.ZoneSlot{Zone: i, WP: e.WP})
		c.note(at, "wrapped entry: zone %d is stored as %#x and starts at %#x; it is empty, and repair mode all rewrites it", i, word, c.zones.ZoneStart(i))
	case c.zoneTable.AboveEnd(i, e):
		c.zoneRepair = append(c.zoneRepair, format.ZoneSlot{Zone: i, WP: e.WP})
		c.note(at, "zone %d is full and stored as %#x, above its writable end %#x, as FINISH of older series did; repair mode all rewrites it", i, e.WP, c.zones.WritableEnd(i))
	}
}
