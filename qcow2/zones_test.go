// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
)

func TestWriteZoneSlots(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 64 << 20, Zone: &ZoneOptions{Size: 1 << 20, Capacity: 1 << 19, Conventional: 2}})
	f := storagetest.NewRecorder(m)
	i := reopen(t, f)
	before := f.Len()
	slots := []format.ZoneSlot{{Zone: 9, WP: 9<<20 + 512}, {Zone: 10, WP: 10<<20 + 1<<19}, {Zone: 11, WP: 12 << 20}, {Zone: 40, WP: 40<<20 + 8192}, {Zone: 0, WP: 0}}
	if err := i.WriteZoneSlots(slots); err != nil {
		t.Fatal(err)
	}
	if n := f.Len() - before; n != 3 {
		t.Errorf("%d writes for three groups of neighbours", n)
	}
	entries := entriesOf(t, reopen(t, m).table)
	want := map[int]uint64{9: 9<<20 + 512, 10: 10<<20 + 1<<19, 11: 11<<20 + 1<<19, 40: 40<<20 + 8192}
	for k, e := range entries {
		wp, ok := want[k]
		if !ok {
			wp = uint64(k) << 20
		}
		if e.WP != wp || e.Conventional != (k < 2) {
			t.Errorf("zone %d: %+v, want write pointer %d", k, e, wp)
		}
	}
	for _, bad := range []format.ZoneSlot{{Zone: 64, WP: 64 << 20}, {Zone: 9, WP: 8 << 20}, {Zone: 9, WP: 10<<20 + 512}, {Zone: 9, WP: 9<<20 + 1}} {
		if err := i.WriteZoneSlots([]format.ZoneSlot{bad}); !errors.Is(err, format.ErrRange) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A big-endian table stays one.
func TestWriteZoneSlotsBigEndian(t *testing.T) {
	m := new(storagetest.Mem)
	i := create(t, m, CreateOptions{Size: 8 << 20, Zone: &ZoneOptions{Size: 1 << 20, Conventional: 1}})
	at := int64(i.Zoned().TableOffset)
	swapped := binary.BigEndian.AppendUint64(nil, 1<<59)
	for k := range uint64(7) {
		swapped = binary.BigEndian.AppendUint64(swapped, (k+1)<<20)
	}
	m.WriteAt(swapped, at)
	i = reopen(t, m)
	if !i.Zoned().BigEndian {
		t.Fatal("not recognised")
	}
	if err := i.WriteZoneSlots([]format.ZoneSlot{{Zone: 3, WP: 3<<20 + 4096}}); err != nil {
		t.Fatal(err)
	}
	if e := entriesOf(t, reopen(t, m).table)[3]; e.WP != 3<<20+4096 {
		t.Errorf("read back as %+v", e)
	}
}

func TestPlainImageHasNoZones(t *testing.T) {
	i := create(t, new(storagetest.Mem), CreateOptions{Size: 1 << 20})
	err := i.EachZone(func(uint32, format.ZoneEntry) error { return errors.New("a zone") })
	if i.Zoned() != nil || err != nil || i.WriteZoneSlots(nil) == nil {
		t.Error("a plain image has zones")
	}
}
