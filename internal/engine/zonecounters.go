// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// zoneCounters are the counters of zones as the image has them; of one that keeps
// none there are none. They are written before the barrier of a flush, a reset or a
// finish, and cost none of their own. They belong to durability.mu.
type zoneCounters struct {
	img   *qcow2.Image
	zones *zoned.Device
	saved []format.ZoneCounters
	stale []uint32 // zones that have changed since the last flush
}

// loadCounters makes the zones count on from what the image has.
func loadCounters(img *qcow2.Image, zones *zoned.Device) (zoneCounters, error) {
	if img.ReadOnly() {
		return zoneCounters{}, nil
	}
	saved, err := img.Counters()
	if err != nil || saved == nil {
		return zoneCounters{}, err
	}
	counts := make([]zoned.Counts, len(saved))
	for k, c := range saved {
		counts[k] = zoned.Counts(c)
	}
	zones.KeepCounts(counts)
	return zoneCounters{img: img, zones: zones, saved: saved}, nil
}

// changed notes that a zone has changed.
func (c *zoneCounters) changed(zone uint32) {
	if c.saved != nil {
		c.stale = append(c.stale, zone)
	}
}

// flush writes the counters of zones that have changed. Where there is no room for
// one again is called: it is tried again with the next flush, and counts are no reason
// to fail a request. Any other error makes the image fail.
func (c *zoneCounters) flush(again func(zone uint32)) {
	for _, zone := range c.stale {
		if c.write(zone, format.ZoneCounters(c.zones.Counts(zone))) != nil {
			again(zone)
		}
	}
	c.stale = c.stale[:0]
}

// ahead writes the counters of a zone as they are when what has begun has succeeded:
// a reset or finish is durable when it is answered, and so is that it was done. If it
// fails the next flush puts them right.
func (c *zoneCounters) ahead(zone uint32, op zoned.Operation) {
	if c.saved == nil {
		return
	}
	n := format.ZoneCounters(c.zones.Counts(zone))
	if op == zoned.OpFinish {
		n.Finishes++
	} else {
		n.Resets++
	}
	_ = c.write(zone, n) // as in flush: the end of the request makes the zone stale
}

func (c *zoneCounters) write(zone uint32, n format.ZoneCounters) error {
	if n == c.saved[zone] {
		return nil
	}
	err := c.img.WriteCounters(zone, n)
	if err == nil {
		c.saved[zone] = n
	}
	return err
}
