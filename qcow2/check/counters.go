// SPDX-License-Identifier: Apache-2.0

package check

import "zqublkd/qcow2/format"

// checkCounters counts the counter table and looks at its entries. Repair makes
// those that can't be right count nothing.
func (c *checker) checkCounters(off uint64) error {
	if off == 0 {
		return nil
	}
	end := format.RoundUp(c.size, c.g.ClusterSize())
	if err := format.CountersFit(off, c.zones, c.g.ClusterSize(), end); err != nil {
		c.damage(off, "%v", err)
		return nil
	}
	n := uint64(c.zones.Zones) * format.CounterBytes
	if !c.countAligned(format.KindCounters, off, n, 1, "counter table") {
		return nil
	}
	c.report.ZoneTableClusters += c.g.Clusters(n)
	raw := make([]byte, n)
	if err := c.read(raw, off); err != nil {
		return err
	}
	c.counterTable = off
	for zone := range c.zones.Zones {
		at := uint64(zone) * format.CounterBytes
		if _, err := format.DecodeCounters(raw[at:], zone); err != nil {
			c.counterRepair = append(c.counterRepair, zone)
			c.corruption(off+at, "%v; repair mode all makes them 0", err)
		}
	}
	return nil
}

func (c *checker) repairCounters() error {
	if len(c.counterRepair) == 0 || c.misused(c.counterTable, uint64(c.zones.Zones)*format.CounterBytes) {
		return nil
	}
	for _, zone := range c.counterRepair {
		at := c.counterTable + uint64(zone)*format.CounterBytes
		if _, err := c.f.WriteAt(format.ZoneCounters{}.Encode(zone), int64(at)); err != nil {
			return err
		}
	}
	return nil
}
