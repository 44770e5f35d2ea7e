// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzDevInfo(f *testing.F) {
	var good [devInfoBytes]byte
	(&DevInfo{Queues: 1, Depth: 64, MaxIOBytes: 1 << 20, ID: 3, ServerPID: 9, Flags: 0x1c2}).encode(good[:])
	f.Add(good[:])
	f.Add(good[:63])
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDevInfo(b)
		if err != nil {
			return
		}
		_ = d.String()
		var again [devInfoBytes]byte
		d.encode(again[:])
		if d2, err := DecodeDevInfo(again[:]); err != nil || d2 != d {
			t.Errorf("%+v became %+v (%v)", d, d2, err)
		}
	})
}

func FuzzParams(f *testing.F) {
	for _, p := range []*Params{goodZoned(), goodPlain()} {
		b := p.Encode()
		f.Add(b[:])
		f.Add(b[:112])
		f.Add(b[:40])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeParams(b)
		if err != nil {
			return
		}
		_ = p.Zones()
		if p.Validate() != nil {
			return
		}
		again := p.Encode()
		p2, err := decodeParams(again[:])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, p2); d != "" {
			t.Errorf("valid parameters changed (-before +after):\n%s", d)
		}
		if p.Zoned != nil && p.Zones() > uint64(MaxZones(p.MaxSectors)) {
			t.Errorf("%d zones passed with max_sectors %d", p.Zones(), p.MaxSectors)
		}
	})
}

func FuzzIODesc(f *testing.F) {
	f.Add(make([]byte, IODescBytes), int32(0))
	f.Add([]byte{13, 32, 0, 0, 8, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, int32(4096))
	f.Fuzz(func(t *testing.T, b []byte, res int32) {
		if len(b) < IODescBytes {
			return
		}
		d := descOf(b)
		_, _, _ = d.String(), d.Bytes(), d.Offset()
		if NewIODesc(d.Op(), d.Flags(), d.StartSector(), d.Sectors()).String() != d.String() {
			t.Errorf("%s isn't rebuilt from its parts", d)
		}
		if got, ok := result(&d, res, 1<<20); ok && got < -maxErrno || ok && res < 0 != (got < 0) {
			t.Errorf("%s answered %d became %d", d, res, got)
		}
	})
}

func FuzzBlkZone(f *testing.F) {
	f.Add(make([]byte, BlkZoneBytes))
	f.Add(make([]byte, 2*BlkZoneBytes+5))
	f.Fuzz(func(t *testing.T, b []byte) {
		var zones []BlkZone
		for rest := b; ; rest = rest[BlkZoneBytes:] {
			z, err := DecodeBlkZone(rest)
			if err != nil {
				break
			}
			_, _ = z.Type.String(), z.Cond.String()
			zones = append(zones, z)
		}
		out := make([]byte, len(b))
		if n := ReportZones(out, zones); n != len(b)/BlkZoneBytes*BlkZoneBytes {
			t.Fatalf("%d bytes of report from %d", n, len(b))
		}
		for i, z := range zones {
			if again, err := DecodeBlkZone(out[i*BlkZoneBytes:]); err != nil || again != z {
				t.Errorf("zone %d: %+v became %+v (%v)", i, z, again, err)
			}
		}
	})
}
