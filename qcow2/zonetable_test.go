package qcow2

import (
	"encoding/binary"
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
		data := l.encode(x)
		found, got, err := detectLayout(data, c)
		if err != nil || found != l {
			t.Fatalf("%s detected as %v: %v", l.name, found, err)
		}
		if l.tableSize.width != 0 {
			x.TableSize = uint64(x.Zones) * zoneEntrySize
		}
		if l.maxAppend.width == 0 {
			x.MaxAppendBytes = 0
		}
		if diff := cmp.Diff(x, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func drawExtension(t *rapid.T, l *zoneLayout) (ZoneExtension, zoneContext) {
	x := ZoneExtension{Model: modelHostManaged, ZoneSize: 1 << rapid.UintRange(16, 31).Draw(t, "zone bits")}
	x.Zones = rapid.Uint32Range(1, 20000).Draw(t, "zones")
	x.ZoneCapacity = rapid.Uint64Range(1, x.ZoneSize/512).Draw(t, "capacity") * 512
	x.Conventional = rapid.Uint32Range(0, x.Zones-1).Draw(t, "conventional")
	x.MaxActive = rapid.Uint32Range(0, x.Zones).Draw(t, "active")
	x.MaxOpen = rapid.Uint32Range(0, x.MaxActive).Draw(t, "open")
	if l.maxAppend.width != 0 {
		x.MaxAppendBytes = rapid.Uint32Range(0, 1<<20).Draw(t, "append") / 512 * 512
	}
	c := zoneContext{clusterSize: 65536, fileSize: 1 << 40}
	c.virtualSize = uint64(x.Zones)*x.ZoneSize - rapid.Uint64Range(0, x.ZoneSize/512-1).Draw(t, "short")*512
	x.TableOffset = rapid.Uint64Range(1, 1000).Draw(t, "table") * c.clusterSize
	return x, c
}

func tableOf(l *zoneLayout, zones, conventional uint32, size uint64) (*ZonedInfo, entryCodec) {
	info := newZonedInfo(l, ZoneExtension{ZoneSize: size, ZoneCapacity: size / 2, Zones: zones, Conventional: conventional}, uint64(zones)*size)
	return info, entryCodec{l, info, l.byteOrder()}
}

// A table decodes to what was encoded, in both byte orders and every layout.
func TestZoneTable(t *testing.T) {
	for _, l := range layouts {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if l.bigEndian && order == binary.LittleEndian {
				continue
			}
			t.Run(l.name+" "+order.String(), func(t *testing.T) {
				info, codec := tableOf(l, 4, 1, 1<<20)
				codec.order = order
				raw := make([]byte, info.TableSize())
				slots := []ZoneSlot{{0, 0}, {1, 1 << 20}, {2, 2<<20 + 4096}, {3, 4 << 20}}
				err := codec.encodeSlots(slots, func(b []byte, at uint64) error {
					copy(raw[at:], b)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				got, found, err := findZoneTable(tableIn(raw, info), l, info)
				if err != nil || found != (zoneTally{}) || got.bigEndian() != (order == binary.BigEndian) {
					t.Fatalf("big-endian %v, %+v, error %v", got.bigEndian(), found, err)
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
func entriesOf(t rapid.TB, table zoneTable) []ZoneEntry {
	t.Helper()
	var all []ZoneEntry
	err := table.each(func(zone uint32, word uint64) error {
		if int(zone) != len(all) {
			t.Fatalf("zone %d comes after %d others", zone, len(all))
		}
		all = append(all, table.decode(zone, word))
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
		l    *zoneLayout
		zone uint32
		word uint64
		want ZoneEntry
	}{
		{"empty", layoutV6, 5, 5 * size, ZoneEntry{WP: 5 * size}},
		{"full by a write", layoutV6, 5, 5*size + size/2, ZoneEntry{WP: 5*size + size/2}},
		{"full by finish", layoutV6, 5, 6 * size, ZoneEntry{WP: 6 * size}},
		{"past the zone", layoutV6, 5, 6*size + 512, ZoneEntry{WP: 6*size + 512, Invalid: true}},
		{"before the zone", layoutV6, 5, 5*size - 512, ZoneEntry{WP: 5*size - 512, Invalid: true}},
		{"not aligned", layoutV6, 5, 5*size + 1, ZoneEntry{WP: 5*size + 1, Invalid: true}},
		{"wrapped", layoutV6, 5, size, ZoneEntry{WP: 5 * size, Wrapped: true}},
		{"wrapped to zero", layoutV6, 4, 0, ZoneEntry{WP: 4 * size, Wrapped: true}},
		{"v8 does not wrap", layoutV8, 5, size, ZoneEntry{WP: size, Invalid: true}},
		{"conventional", layoutV6, 0, 1 << 59, ZoneEntry{Conventional: true}},
		{"conventional in v14", layoutV14, 0, 1 << 63, ZoneEntry{Conventional: true}},
		{"conventional where it must not be", layoutV6, 5, 5*size | 1<<59, ZoneEntry{WP: 5 * size, Conventional: true, Invalid: true}},
		{"sequential where it must not be", layoutV6, 0, 0, ZoneEntry{Invalid: true}},
		{"condition bits of v3", layoutV3, 5, 5*size + 512 | 4<<60, ZoneEntry{WP: 5*size + 512}},
		{"condition bits of v6", layoutV6, 5, 5*size + 512 | 4<<60, ZoneEntry{WP: 5*size + 512 | 4<<60, Invalid: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, codec := tableOf(c.l, 8, 1, size)
			if diff := cmp.Diff(c.want, codec.decode(c.zone, c.word)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
