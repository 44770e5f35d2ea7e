// SPDX-License-Identifier: Apache-2.0

package format

import "testing"

func FuzzParseHeader(f *testing.F) {
	b, err := sampleHeader().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:72])
	f.Add([]byte("QFI\xfb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		again, err := h.Encode()
		if err != nil { // extensions that ran up to the end leave no room for an end marker
			return
		}
		got, err := ParseHeader(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameHeader(h, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseExtensions(f *testing.F) {
	f.Add(AppendExtensions(nil, sampleHeader().Extensions))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseExtensions(b)
		if err != nil {
			return
		}
		again, err := parseExtensions(AppendExtensions(nil, list))
		if err != nil || len(again) != len(list) {
			t.Fatalf("%d extensions became %d: %v", len(list), len(again), err)
		}
	})
}

func FuzzPrivateExtension(f *testing.F) {
	p := PrivateExtension{LogicalBlockSize: 4096, Conditions: ConditionList{{1, 2, ZoneOffline}}, Unknown: []PrivateRecord{{7, []byte("abc")}}}
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePrivate(b)
		if err != nil {
			return
		}
		again, err := ParsePrivate(p.Encode())
		if err != nil || again.LogicalBlockSize != p.LogicalBlockSize || len(again.Unknown) != len(p.Unknown) || len(again.Conditions) != len(p.Conditions) {
			t.Fatalf("%+v became %+v: %v", p, again, err)
		}
	})
}

// Bytes of an extension and of a table never do more harm than an error.
func FuzzZoneTable(f *testing.F) {
	for _, l := range layouts {
		data := l.Encode(ZoneExtension{Model: 1, ZoneSize: 1 << 20, ZoneCapacity: 1 << 20, Zones: 4, TableOffset: 1 << 16})
		f.Add(data, uint64(4<<20), make([]byte, 32))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint64, table []byte) {
		l, x, err := DetectLayout(data, ZoneContext{size, 1<<16 + uint64(len(table)), 1 << 16})
		if err == nil {
			err = CheckZoneRules(x)
		}
		if err != nil || uint64(x.Zones)*ZoneEntrySize > uint64(len(table)) {
			return
		}
		info := NewZonedInfo(l, x, size)
		codec, found, err := FindZoneTable(tableIn(table, info), l, info)
		if err != nil {
			t.Fatal(err)
		}
		if found.Broken != nil {
			return
		}
		for k, e := range entriesOf(t, codec) {
			if err := codec.CheckSlot(ZoneSlot{uint32(k), e.WP}); err != nil {
				t.Fatal(err)
			}
			back := codec.Decode(uint32(k), codec.encode(uint32(k), e.WP))
			if back.Invalid || back.Conventional != e.Conventional || back.WP != min(e.WP, info.WritableEnd(uint32(k))) {
				t.Fatalf("zone %d: %+v stored and read back as %+v", k, e, back)
			}
		}
	})
}
