package qcow2

// checkZones claims the zone table and compares its entries with the geometry.
func (c *checker) checkZones() error {
	flagged := c.h.Incompatible&IncompatZoned != 0
	data := c.extension(ExtZoned, "zoned", 0)
	if data == nil {
		if flagged {
			c.damage(incompatibleField, "incompatible bit 5 says the image is zoned, and it has no usable zoned extension")
		}
		return nil
	}
	layout, x, err := detectLayout(data, zoneContext{c.h.Size, c.size, c.g.clusterSize()})
	if err == nil {
		err = checkZoneRules(x)
	}
	if err != nil {
		c.damage(0, "%v", err)
		return nil
	}
	if layout.needsBit && !flagged {
		c.note(incompatibleField, "the image is zoned and incompatible bit 5 is clear: programs that don't know zones will write to it")
	}
	return c.checkZoneTable(layout, x)
}

func (c *checker) checkZoneTable(layout *zoneLayout, x ZoneExtension) error {
	c.zones = newZonedInfo(layout, x, c.h.Size)
	off, n := c.zones.TableOffset, c.zones.TableSize()
	if !c.claimAligned(useZones, off, n, 1, "zone table") {
		return nil
	}
	c.report.ZoneTableClusters = c.g.clusters(n)
	raw := make([]byte, n)
	if err := c.read(raw, off); err != nil {
		return err
	}
	// The error is that of the first bad entry; each gets its own finding.
	entries, codec, _ := decodeZoneTable(raw, layout, c.zones)
	c.zoneCodec = codec
	for i, e := range entries {
		c.checkZone(uint32(i), e)
	}
	return nil
}

func (c *checker) checkZone(i uint32, e ZoneEntry) {
	at := c.zones.TableOffset + uint64(i)*zoneEntrySize
	switch {
	case e.Invalid:
		c.corruption(at, "%v", c.zoneCodec.complain(i, e))
	case e.Wrapped:
		c.zoneRepair = append(c.zoneRepair, ZoneSlot{Zone: i, WP: e.WP})
		c.note(at, "wrapped entry: zone %d is stored as %#x and starts at %#x; it is empty, and repair mode all rewrites it", i, e.Raw, c.zones.ZoneStart(i))
	}
}
