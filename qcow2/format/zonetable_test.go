// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever geometry an extension describes, its bytes make sense in the layout
// they were written in and in no other.
func TestDetectLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom(layouts).Draw(t, "layout")
		x, c := drawExtension(t, l)
		data := l.Encode(x)
		found, got, err := DetectLayout(data, c)
		if err != nil || found != l {
			t.Fatalf("%s detected as %v: %v", l.Name, found, err)
		}
		if l.TableSize.Width != 0 {
			x.TableSize = uint64(x.Zones) * ZoneEntrySize
		}
		if l.MaxAppend.Width == 0 {
			x.MaxAppendBytes = 0
		}
		if diff := cmp.Diff(x, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func drawExtension(t *rapid.T, l *ZoneLayout) (ZoneExtension, ZoneContext) {
	x := ZoneExtension{Model: ModelHostManaged, ZoneSize: 1 << rapid.UintRange(16, 31).Draw(t, "zone bits")}
	x.Zones = rapid.Uint32Range(1, 20000).Draw(t, "zones")
	x.ZoneCapacity = rapid.Uint64Range(1, x.ZoneSize/512).Draw(t, "capacity") * 512
	x.Conventional = rapid.Uint32Range(0, x.Zones-1).Draw(t, "conventional")
	x.MaxActive = rapid.Uint32Range(0, x.Zones).Draw(t, "active")
	x.MaxOpen = rapid.Uint32Range(0, x.MaxActive).Draw(t, "open")
	if l.MaxAppend.Width != 0 {
		x.MaxAppendBytes = rapid.Uint32Range(0, 1<<20).Draw(t, "append") / 512 * 512
	}
	c := ZoneContext{ClusterSize: 65536, FileSize: 1 << 40}
	c.VirtualSize = uint64(x.Zones)*x.ZoneSize - rapid.Uint64Range(0, x.ZoneSize/512-1).Draw(t, "short")*512
	x.TableOffset = rapid.Uint64Range(1, 1000).Draw(t, "table") * c.ClusterSize
	return x, c
}

func tableOf(l *ZoneLayout, zones, conventional uint32, size uint64) (*ZonedInfo, EntryCodec) {
	info := NewZonedInfo(l, ZoneExtension{ZoneSize: size, ZoneCapacity: size / 2, Zones: zones, Conventional: conventional}, uint64(zones)*size)
	return info, EntryCodec{l, info, l.ByteOrder()}
}

// A table decodes to what was encoded, in both byte orders and every layout.
func TestZoneTable(t *testing.T) {
	for _, l := range layouts {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if l.BigEndian && order == binary.LittleEndian {
				continue
			}
			t.Run(l.Name+" "+order.String(), func(t *testing.T) {
				info, codec := tableOf(l, 4, 1, 1<<20)
				codec.Order = order
				raw := make([]byte, info.TableSize())
				slots := []ZoneSlot{{0, 0}, {1, 1 << 20}, {2, 2<<20 + 4096}, {3, 4 << 20}}
				err := codec.EncodeSlots(slots, func(b []byte, at uint64) error {
					copy(raw[at:], b)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				got, found, err := FindZoneTable(tableIn(raw, info), l, info)
				if err != nil || found != (ZoneTally{}) || got.BigEndian() != (order == binary.BigEndian) {
					t.Fatalf("big-endian %v, %+v, error %v", got.BigEndian(), found, err)
				}
				want := []uint64{0, 1 << 20, 2<<20 + 4096, 3<<20 + 1<<19} // FULL is the writable end
				for k, e := range entriesOf(t, got) {
					if e.WP != want[k] || e.Conventional != (k == 0) || e.Wrapped || e.Invalid {
						t.Errorf("zone %d: %+v, want write pointer %d", k, e, want[k])
					}
				}
			})
		}
	}
}

// tableIn reads the bytes of a zone table from memory.
func tableIn(raw []byte, info *ZonedInfo) func(p []byte, off uint64) error {
	return func(p []byte, off uint64) error {
		copy(p, raw[off-info.TableOffset:])
		return nil
	}
}

// entriesOf lists the entries of a zone table.
func entriesOf(t rapid.TB, table ZoneTable) []ZoneEntry {
	t.Helper()
	var all []ZoneEntry
	err := table.Each(func(zone uint32, word uint64) error {
		if int(zone) != len(all) {
			t.Fatalf("zone %d comes after %d others", zone, len(all))
		}
		all = append(all, table.Decode(zone, word))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestZoneEntries(t *testing.T) {
	const size = 1 << 30
	for _, c := range []struct {
		name string
		l    *ZoneLayout
		zone uint32
		word uint64
		want ZoneEntry
	}{
		{"empty", LayoutV6, 5, 5 * size, ZoneEntry{WP: 5 * size}},
		{"full by a write", LayoutV6, 5, 5*size + size/2, ZoneEntry{WP: 5*size + size/2}},
		{"full by finish", LayoutV6, 5, 6 * size, ZoneEntry{WP: 6 * size}},
		{"past the zone", LayoutV6, 5, 6*size + 512, ZoneEntry{WP: 6*size + 512, Invalid: true}},
		{"before the zone", LayoutV6, 5, 5*size - 512, ZoneEntry{WP: 5*size - 512, Invalid: true}},
		{"not aligned", LayoutV6, 5, 5*size + 1, ZoneEntry{WP: 5*size + 1, Invalid: true}},
		{"wrapped", LayoutV6, 5, size, ZoneEntry{WP: 5 * size, Wrapped: true}},
		{"wrapped to zero", LayoutV6, 4, 0, ZoneEntry{WP: 4 * size, Wrapped: true}},
		{"v8 does not wrap", layoutV8, 5, size, ZoneEntry{WP: size, Invalid: true}},
		{"conventional", LayoutV6, 0, 1 << 59, ZoneEntry{Conventional: true}},
		{"conventional in v14", LayoutV14, 0, 1 << 63, ZoneEntry{Conventional: true}},
		{"conventional where it must not be", LayoutV6, 5, 5*size | 1<<59, ZoneEntry{WP: 5 * size, Conventional: true, Invalid: true}},
		{"sequential where it must not be", LayoutV6, 0, 0, ZoneEntry{Invalid: true}},
		{"condition bits of v3", LayoutV3, 5, 5*size + 512 | 4<<60, ZoneEntry{WP: 5*size + 512}},
		{"condition bits of v6", LayoutV6, 5, 5*size + 512 | 4<<60, ZoneEntry{WP: 5*size + 512 | 4<<60, Invalid: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, codec := tableOf(c.l, 8, 1, size)
			if diff := cmp.Diff(c.want, codec.Decode(c.zone, c.word)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The words of a table, byte by byte: a conventional zone 0, a zone at 1 MiB.
func TestZoneTableBytes(t *testing.T) {
	for l, want := range map[*ZoneLayout]string{
		LayoutV6:  "00 00 00 00 00 00 00 08  00 00 10 00 00 00 00 00",
		layoutV8:  "00 00 00 00 00 00 00 08  00 00 10 00 00 00 00 00",
		LayoutV11: "80 00 00 00 00 00 00 00  00 00 00 00 00 10 00 00",
		LayoutV14: "80 00 00 00 00 00 00 00  00 00 00 00 00 10 00 00",
	} {
		_, codec := tableOf(l, 2, 1, 1<<20)
		var got []byte
		codec.EncodeSlots([]ZoneSlot{{0, 0}, {1, 1 << 20}}, func(b []byte, _ uint64) error {
			got = append(got, b...)
			return nil
		})
		if diff := cmp.Diff(strings.ReplaceAll(want, " ", ""), hex.EncodeToString(got)); diff != "" {
			t.Errorf("%s: %s", l.Name, diff)
		}
	}
}

func TestPrivateExtension(t *testing.T) {
	p := &PrivateExtension{LogicalBlockSize: 4096, Conditions: ConditionList{{3, 2, ZoneOffline}},
		Unknown: []PrivateRecord{{7, []byte("abc")}, {8, []byte{}}}}
	got, err := ParsePrivate(p.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fmt.Sprint(*p), fmt.Sprint(*got)); diff != "" || got.MustUnderstand() != nil {
		t.Errorf("%s %v", diff, got.MustUnderstand())
	}
	for name, b := range map[string][]byte{
		"too short":     {0, 0, 0, 1},
		"cut record":    append(p.Encode(), 0, 0, 0, 9),
		"long record":   append(p.Encode(), 0, 0, 0, 9, 255, 255, 255, 255),
		"odd width":     append([]byte{0, 0, 0, 1, 0, 0, 0, 0}, 0, 0, 0, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0),
		"odd block":     append([]byte{0, 0, 0, 1, 0, 0, 0, 0}, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 2, 1, 0, 0, 0, 0),
		"newer version": {0, 0, 0, 2, 0, 0, 0, 0},
		"conditions":    append([]byte{0, 0, 0, 1, 0, 0, 0, 0}, PrivateRecord{tagConditions, []byte("abc")}.append(nil)...),
	} {
		if _, err := ParsePrivate(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
