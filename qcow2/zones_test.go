package qcow2

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage"
)

func TestWriteZoneSlots(t *testing.T) {
	m := new(storage.Mem)
	create(t, m, CreateOptions{Size: 64 << 20, Zone: &ZoneOptions{Size: 1 << 20, Capacity: 1 << 19, Conventional: 2}})
	f := storage.NewRecorder(m)
	i := reopen(t, f)
	before := f.Len()
	slots := []ZoneSlot{{9, 9<<20 + 512}, {10, 10<<20 + 1<<19}, {11, 12 << 20}, {40, 40<<20 + 8192}, {0, 0}}
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
	for _, bad := range []ZoneSlot{{64, 64 << 20}, {9, 8 << 20}, {9, 10<<20 + 512}, {9, 9<<20 + 1}} {
		if err := i.WriteZoneSlots([]ZoneSlot{bad}); !errors.Is(err, ErrRange) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A big-endian table stays one.
func TestWriteZoneSlotsBigEndian(t *testing.T) {
	m := new(storage.Mem)
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
	if err := i.WriteZoneSlots([]ZoneSlot{{3, 3<<20 + 4096}}); err != nil {
		t.Fatal(err)
	}
	if e := entriesOf(t, reopen(t, m).table)[3]; e.WP != 3<<20+4096 {
		t.Errorf("read back as %+v", e)
	}
}

func TestPlainImageHasNoZones(t *testing.T) {
	i := create(t, new(storage.Mem), CreateOptions{Size: 1 << 20})
	err := i.EachZone(func(uint32, ZoneEntry) error { return errors.New("a zone") })
	if i.Zoned() != nil || err != nil || i.WriteZoneSlots(nil) == nil {
		t.Error("a plain image has zones")
	}
}

func TestPrivateExtension(t *testing.T) {
	p := &PrivateExtension{LogicalBlockSize: 4096, conditions: conditionList{{3, 2, ZoneOffline}},
		unknown: []privateRecord{{7, []byte("abc")}, {8, []byte{}}}}
	got, err := parsePrivate(p.encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fmt.Sprint(*p), fmt.Sprint(*got)); diff != "" || got.mustUnderstand() != nil {
		t.Errorf("%s %v", diff, got.mustUnderstand())
	}
	for name, b := range map[string][]byte{
		"too short":     {0, 0, 0, 1},
		"cut record":    append(p.encode(), 0, 0, 0, 9),
		"long record":   append(p.encode(), 0, 0, 0, 9, 255, 255, 255, 255),
		"odd width":     append([]byte{0, 0, 0, 1, 0, 0, 0, 0}, 0, 0, 0, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0),
		"odd block":     append([]byte{0, 0, 0, 1, 0, 0, 0, 0}, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 2, 1, 0, 0, 0, 0),
		"newer version": {0, 0, 0, 2, 0, 0, 0, 0},
		"conditions":    append([]byte{0, 0, 0, 1, 0, 0, 0, 0}, privateRecord{tagConditions, []byte("abc")}.append(nil)...),
	} {
		if _, err := parsePrivate(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The words of a table, byte by byte: a conventional zone 0, a zone at 1 MiB.
func TestZoneTableBytes(t *testing.T) {
	for l, want := range map[*zoneLayout]string{
		layoutV6:  "00 00 00 00 00 00 00 08  00 00 10 00 00 00 00 00",
		layoutV8:  "00 00 00 00 00 00 00 08  00 00 10 00 00 00 00 00",
		layoutV11: "80 00 00 00 00 00 00 00  00 00 00 00 00 10 00 00",
		layoutV14: "80 00 00 00 00 00 00 00  00 00 00 00 00 10 00 00",
	} {
		_, codec := tableOf(l, 2, 1, 1<<20)
		var got []byte
		codec.encodeSlots([]ZoneSlot{{0, 0}, {1, 1 << 20}}, func(b []byte, _ uint64) error {
			got = append(got, b...)
			return nil
		})
		if diff := cmp.Diff(strings.ReplaceAll(want, " ", ""), hex.EncodeToString(got)); diff != "" {
			t.Errorf("%s: %s", l.name, diff)
		}
	}
}
