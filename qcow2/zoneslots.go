// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"

	"zqublkd/qcow2/format"
)

// WriteZoneSlots stores write pointers, 8 aligned bytes each, rewritten in
// place; slots of adjacent zones in a row go out as one write. It does not sync.
func (i *Image) WriteZoneSlots(slots []format.ZoneSlot) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	if i.zones == nil {
		return errors.New("a plain image has no zone table")
	}
	for _, s := range slots {
		if err := i.table.CheckSlot(s); err != nil {
			return err
		}
	}
	return i.storeSlots(slots)
}

// ReplaceZoneSlots is WriteZoneSlots that writes all of the slots or, when there
// is no room for some of them, none: those that were written get what before
// says they had, durably. Else the table would go on saying what nobody was
// told, and a zone whose reset has failed would be empty after the next start.
func (i *Image) ReplaceZoneSlots(slots []format.ZoneSlot, before func(zone uint32) (wp uint64)) error {
	err := i.WriteZoneSlots(slots)
	if err == nil || i.Failed() != nil {
		return err
	}
	if undone := i.restoreSlots(slots, before); undone != nil {
		return i.fail(fmt.Errorf("the zone table can't be made what it was before a write failed (%w): %w", err, undone))
	}
	return err
}

// restoreSlots gives slots the values from before where the file has others.
func (i *Image) restoreSlots(slots []format.ZoneSlot, before func(zone uint32) uint64) error {
	astray, err := i.astray(slots, before)
	if err != nil || len(astray) == 0 {
		return err
	}
	failed := i.storeSlots(astray) // what the file holds then is what counts
	if astray, err = i.astray(astray, before); err != nil {
		return err
	}
	if len(astray) > 0 {
		return fmt.Errorf("zone %d: %w", astray[0].Zone, failed)
	}
	return i.datasync()
}

// astray are those of slots that the file has with another value than before,
// with that value.
func (i *Image) astray(slots []format.ZoneSlot, before func(zone uint32) uint64) ([]format.ZoneSlot, error) {
	var list []format.ZoneSlot
	r := format.ZoneReader{ZoneTable: i.table}
	for _, s := range slots {
		e, err := r.Entry(s.Zone)
		if err != nil {
			return nil, err
		}
		end := i.zones.WritableEnd(s.Zone)
		if wp := before(s.Zone); e.Invalid || min(e.WP, end) != min(wp, end) {
			list = append(list, format.ZoneSlot{Zone: s.Zone, WP: min(wp, end)})
		}
	}
	return list, nil
}

func (i *Image) storeSlots(slots []format.ZoneSlot) error {
	return i.table.EncodeSlots(slots, func(b []byte, at uint64) error {
		return i.writeMeta(format.KindZoneTable, b, at)
	})
}
