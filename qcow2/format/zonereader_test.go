// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"errors"
	"testing"
)

// TestZoneReader looks entries up in every order of zones, in a table that is
// read in several pieces, none of which is read twice in a row.
func TestZoneReader(t *testing.T) {
	const zones = 2*zonesAhead + 5
	info, codec := tableOf(LayoutV14, zones, 1, 1<<20)
	var raw []byte
	for k := range uint32(zones) {
		raw = binary.BigEndian.AppendUint64(raw, codec.encode(k, info.ZoneStart(k)+uint64(k%100)*512))
	}
	reads := 0
	in := tableIn(raw, info)
	table := ZoneTable{codec, func(p []byte, off uint64) error { reads++; return in(p, off) }}
	for name, c := range map[string]struct {
		step  uint32
		first uint32
		reads int
	}{
		"upwards":   {1, 0, 3},
		"downwards": {zones - 1, zones - 1, 3},
		"strides":   {zonesAhead, 0, zones},
	} {
		reads = 0
		r := ZoneReader{ZoneTable: table}
		for n, k := uint32(0), c.first; n < zones; n, k = n+1, (k+c.step)%zones {
			if e, err := r.Entry(k); err != nil || e.Invalid || e.Conventional != (k == 0) || k > 0 && e.WP != info.ZoneStart(k)+uint64(k%100)*512 {
				t.Fatalf("%s: zone %d: %+v, %v", name, k, e, err)
			}
		}
		if reads > c.reads {
			t.Errorf("%s: %d reads, want at most %d", name, reads, c.reads)
		}
	}
}

// TestZoneReaderFails: a failed read is an error, and leaves nothing to be taken
// for entries.
func TestZoneReaderFails(t *testing.T) {
	info, codec := tableOf(LayoutV14, 2*zonesAhead, 0, 1<<20)
	bad, late := errors.New("bad sector"), false
	table := ZoneTable{codec, func(p []byte, off uint64) error {
		if late = off != info.TableOffset; late {
			return bad
		}
		clear(p)
		return nil
	}}
	r := ZoneReader{ZoneTable: table}
	for _, k := range []uint32{zonesAhead, zonesAhead + 1} {
		if _, err := r.Entry(k); !errors.Is(err, bad) {
			t.Errorf("zone %d: %v", k, err)
		}
	}
	if _, err := r.Entry(0); err != nil {
		t.Error(err)
	}
	if _, err := table.tally(); !errors.Is(err, bad) || !late {
		t.Errorf("tally: %v", err)
	}
	if _, _, err := FindZoneTable(table.read, layoutV8, info); !errors.Is(err, bad) {
		t.Errorf("find: %v", err)
	}
}
