// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"

	"zqublkd/qcow2/format"
)

// ZoneNotes says in words what was odd about the zone table at open, and yet understood,
// one line each, with the way out.
func (i *Image) ZoneNotes() []string {
	if i.zones == nil {
		return nil
	}
	var notes []string
	if n := i.tally.Wrapped; n > 0 {
		notes = append(notes, fmt.Sprintf("%d zones have wrapped entries, a 32-bit bug of the QEMU that made the image: they are EMPTY; `zqublkd check --repair all` rewrites them", n))
	}
	if n := i.tally.AboveEnd; n > 0 {
		notes = append(notes, fmt.Sprintf("%d full zones are stored above their writable end, as FINISH of older series did: no harm, but v14 would refuse them; `zqublkd check --repair all` rewrites them", n))
	}
	if i.table.Order != i.table.Layout.ByteOrder() {
		notes = append(notes, fmt.Sprintf("the zone table is big-endian, as a host of that order left it, and written so: QEMU on others can't read it; `zqublkd amend -o zone.revision=%s` rewrites it", i.zones.Revision))
	}
	return notes
}

// judgeTableClusters stops writing to an image whose zone table counts as free,
// since the next cluster taken would overwrite it: programs that don't know a
// layout take its table for a leak.
func (i *Image) judgeTableClusters() error {
	if i.zones == nil {
		return nil
	}
	table, err := i.readRefTable()
	if format.IsCorrupt(err) || errors.Is(err, format.ErrTruncated) {
		return nil // whoever opens it for writing judges that
	}
	if err != nil {
		return err
	}
	refs := newRefcounts(i, table)
	err = i.judgeTable(refs, "zone table", i.zones.TableOffset, i.zones.TableSize())
	if err != nil || !i.HasCounters() {
		return err
	}
	return i.judgeTable(refs, "counter table", i.counterTable(), uint64(i.zones.Zones)*format.CounterBytes)
}
