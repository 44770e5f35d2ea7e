// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"bytes"
	"testing"
)

func TestBlkZoneBytes(t *testing.T) {
	z := BlkZone{Start: 0x2000, Len: 0x2000, WP: 0x2008, Capacity: 0x1800, Type: ZoneSequential, Cond: CondClosed, Reset: true}
	b := bytes.Repeat([]byte{0xff}, BlkZoneBytes)
	z.Put(b)
	golden(t, b, `0020000000000000 0020000000000000 0820000000000000 02 04 00 01 00000000 0018000000000000
		0000000000000000 0000000000000000 0000000000000000`)
	if got, err := DecodeBlkZone(b); err != nil || got != z {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if _, err := DecodeBlkZone(b[:63]); err == nil {
		t.Error("63 bytes were taken")
	}
}

func TestReportZones(t *testing.T) {
	zones := make([]BlkZone, 5)
	for i := range zones {
		zones[i] = BlkZone{Start: uint64(i) * 8, Len: 8, Capacity: 8, WP: uint64(i) * 8, Type: ZoneSequential, Cond: CondEmpty}
	}
	for _, c := range []struct{ room, want int }{{0, 0}, {63, 0}, {64, 64}, {200, 192}, {320, 320}, {1000, 320}} {
		b := bytes.Repeat([]byte{0xff}, c.room)
		if n := ReportZones(b, zones); n != c.want {
			t.Errorf("room for %d: %d bytes, want %d", c.room, n, c.want)
		}
		for i := range c.want / BlkZoneBytes {
			if z, _ := DecodeBlkZone(b[i*BlkZoneBytes:]); z != zones[i] {
				t.Errorf("room for %d: entry %d is %+v", c.room, i, z)
			}
		}
		if bytes.ContainsFunc(b[c.want:], func(r rune) bool { return r == 0 }) {
			t.Errorf("room for %d: wrote beyond %d", c.room, c.want)
		}
	}
}

func TestZoneNames(t *testing.T) {
	for want, got := range map[string]string{
		"CONVENTIONAL": ZoneConventional.String(), "SEQ_WRITE_REQUIRED": ZoneSequential.String(), "TYPE_3": ZoneType(3).String(),
		"NOT_WP": CondNotWP.String(), "IMP_OPEN": CondImplicitOpen.String(), "FULL": CondFull.String(), "OFFLINE": CondOffline.String(),
		"READONLY": CondReadOnly.String(), "COND_0x7": ZoneCond(7).String(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
