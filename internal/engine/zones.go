// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"iter"

	"zqublkd/internal/statefile"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// Geometry is how the image is cut into zones; a plain one is a single
// conventional zone.
func Geometry(img *qcow2.Image) zoned.Geometry {
	z := img.Zoned()
	if z == nil {
		return zoned.Geometry{Size: img.VirtualSize(), ZoneSize: img.VirtualSize(), ZoneCapacity: img.VirtualSize(),
			Conventional: 1}
	}
	return zoned.Geometry{Size: img.VirtualSize(), ZoneSize: z.ZoneSize, ZoneCapacity: z.ZoneCapacity,
		Conventional: z.Conventional}
}

// Zones makes the zones of an image as it has them, with the given observer.
func Zones(img *qcow2.Image, o zoned.Observer) (*zoned.Device, error) {
	return zonesOf(img, o, func(uint32, uint64) {})
}

// loadZones makes the zones as a disk goes on with them: as the daemon before
// left them in state, if it takes over from one, else as the image has them.
// saved is what the image has.
func loadZones(img *qcow2.Image, state *statefile.File, o zoned.Observer) (zones *zoned.Device, saved savedPointers,
	err error) {
	if saved, err = newSavedPointers(img); err != nil {
		return nil, saved, err
	}
	if state == nil || !state.Taken() {
		zones, err = zonesOf(img, o, saved.set)
		return zones, saved, err
	}
	if err = saved.read(img); err == nil {
		zones, err = zonesFrom(img, state.Entries(saved.slot()), o)
	}
	return zones, saved, err
}

func zonesFrom(img *qcow2.Image, entries iter.Seq[zoned.Entry], o zoned.Observer) (*zoned.Device, error) {
	var l zoned.Limits
	if z := img.Zoned(); z != nil {
		l = zoned.Limits{MaxOpen: z.MaxOpen, MaxActive: z.MaxActive, MaxAppend: uint64(z.MaxAppendBytes)}
	}
	return zoned.New(Geometry(img), l, entries, o)
}

// zonesOf makes the zones of an image as it has them, and tells see of the write
// pointers, bytes of the disk, that it meets on the way.
func zonesOf(img *qcow2.Image, o zoned.Observer, see func(zone uint32, wp uint64)) (*zoned.Device, error) {
	var unread error
	zones, err := zonesFrom(img, func(yield func(zoned.Entry) bool) {
		if img.Zoned() == nil {
			yield(zoned.Entry{})
			return
		}
		runs := img.ZoneConditions()
		unread = img.EachZone(func(zone uint32, e format.ZoneEntry) error {
			see(zone, e.WP)
			if !yield(zoned.Entry{WP: e.WP, Condition: nextCondition(&runs, zone)}) {
				return errEnough
			}
			return nil
		})
	}, o)
	if unread != nil && unread != errEnough {
		return nil, unread
	}
	return zones, err
}

var errEnough = errors.New("zones are refused")

// nextCondition is that of a zone which the image makes read-only or offline, 0
// of others. Runs behind are dropped: it is asked for all zones in their order.
func nextCondition(runs *[]format.ConditionRun, zone uint32) zoned.Condition {
	if len(*runs) == 0 || zone < (*runs)[0].First {
		return 0
	}
	if r := (*runs)[0]; zone-r.First < r.Zones {
		return zoned.Condition(r.Condition)
	}
	*runs = (*runs)[1:]
	return nextCondition(runs, zone)
}
