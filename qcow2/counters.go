// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// counterTable is where the image keeps counters of its zones; 0: it has none.
func (i *Image) counterTable() uint64 {
	if i.private == nil {
		return 0
	}
	return i.private.Counters
}

// HasCounters reports whether the image keeps counters of its zones.
func (i *Image) HasCounters() bool { return i.zones != nil && i.counterTable() != 0 }

// judgeCounters: a table that is not where it can be, or damaged, stops writing: the
// next write of a counter might land on something else.
func (i *Image) judgeCounters() {
	if i.counterTable() == 0 || i.zones == nil && i.isZoned() {
		return
	}
	err := format.CountersFit(i.counterTable(), i.zones, i.geo.ClusterSize(), i.file.length.Load())
	if err == nil {
		_, err = i.Counters()
	}
	if err != nil {
		i.refuse(UseWrite, fmt.Errorf("%w: run zqublkd check --repair all, or open it read-only", err))
	}
}

// Counters reads the counters of all zones, nil of an image that keeps none.
func (i *Image) Counters() ([]format.ZoneCounters, error) {
	if !i.HasCounters() {
		return nil, nil
	}
	off := i.counterTable()
	if err := format.CountersFit(off, i.zones, i.geo.ClusterSize(), i.file.length.Load()); err != nil {
		return nil, err
	}
	raw := make([]byte, uint64(i.zones.Zones)*format.CounterBytes)
	if err := i.file.read(raw, off); err != nil {
		return nil, fmt.Errorf("reading the counter table: %w", err)
	}
	all := make([]format.ZoneCounters, i.zones.Zones)
	for k := range all {
		var err error
		if all[k], err = format.DecodeCounters(raw[k*format.CounterBytes:], uint32(k)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// WriteCounters stores the counters of a zone. The next Sync makes them durable. That
// there is no room for them leaves the image as it was.
func (i *Image) WriteCounters(zone uint32, c format.ZoneCounters) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	return i.writeMeta(format.KindCounters, c.Encode(zone), i.counterTable()+uint64(zone)*format.CounterBytes)
}

// judgeTable stops writing to an image whose table counts as free, wholly or in part:
// the next cluster taken would overwrite it.
func (i *Image) judgeTable(refs *refcounts, name string, off, n uint64) error {
	first := off >> i.geo.ClusterBits
	for c := range i.geo.Clusters(n) {
		count, err := refs.get(first + c)
		if err != nil {
			return err
		}
		if count == 0 {
			i.refuse(UseWrite, format.Corrupt(name, off,
				"counts as free, as `qemu-img check -r leaks` leaves one it does not know: run zqublkd check --repair all before anything else writes to it"))
			return nil
		}
	}
	return nil
}
