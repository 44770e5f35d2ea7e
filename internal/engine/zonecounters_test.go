// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// TestZoneCounters: what was done to zones is in the image after a stop, and counting
// goes on from there.
func TestZoneCounters(t *testing.T) {
	path := newImage(t, qcow2.CreateOptions{Size: 48 << 20,
		Zone: &qcow2.ZoneOptions{Size: 8 << 20, Conventional: 1, MaxOpen: 1, Counters: true}})
	want := make([]format.ZoneCounters, 6)
	for round := range uint64(2) {
		s := newSim(t, path, 2, 4)
		at := func(zone uint64) uint64 { return zone * 8 << 20 }
		data := make([]byte, 8192)
		s.write(0, data)
		s.write(at(1)+round*16384, data)
		s.append(at(1), data)
		s.write(at(2), data) // closes zone 1
		s.write(at(2), data) // refused
		s.zone(ublk.OpZoneFinish, at(2))
		s.zone(ublk.OpZoneFinish, at(2)) // is full already
		s.zone(ublk.OpZoneReset, at(2))
		s.zone(ublk.OpZoneReset, at(2)) // is empty already
		s.write(at(3), data)
		s.flush()
		s.zone(ublk.OpZoneReset, at(3))
		if round == 1 {
			s.zone(ublk.OpZoneResetAll, 0)
			want[1].Resets++
		}
		s.close()
		for zone, c := range map[int]format.ZoneCounters{1: {Bytes: 16384, Appends: 1, Evictions: 1},
			2: {Bytes: 8192, Finishes: 1, Resets: 1}, 3: {Bytes: 8192, Resets: 1}} {
			want[zone].Add(c)
		}
		checkImage(t, path)
		if d := cmp.Diff(want, countersIn(t, path)); d != "" {
			t.Fatalf("round %d: %s", round, d)
		}
	}
}

func countersIn(t *testing.T, path string) []format.ZoneCounters {
	t.Helper()
	d, err := OpenDisk(path, DiskOptions{ReadOnly: true, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all, err := d.img.Counters()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestZoneCountersAfterReset: a reset that was answered is counted without a flush,
// and a finish is.
func TestZoneCountersAfterReset(t *testing.T) {
	path := newImage(t, qcow2.CreateOptions{Size: 32 << 20, Zone: &qcow2.ZoneOptions{Size: 8 << 20, Counters: true}})
	s := newSim(t, path, 1, 4)
	data := make([]byte, 4096)
	s.write(8<<20, data)
	s.zone(ublk.OpZoneReset, 8<<20)
	s.write(16<<20, data)
	s.zone(ublk.OpZoneFinish, 16<<20)
	s.disk.Abandon()
	s.shut()
	got := countersIn(t, path)
	if d := cmp.Diff([]format.ZoneCounters{{}, {Bytes: 4096, Resets: 1}, {Bytes: 4096, Finishes: 1}, {}}, got); d != "" {
		t.Error(d)
	}
}
