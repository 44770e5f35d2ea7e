// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// createSmallZones makes an image of layout v6 as others may: with zones smaller
// than a cluster. Create refuses that, so it makes one with larger zones, which
// are cut: in the header's extension and in the zone table.
func createSmallZones(t *testing.T, m *storagetest.Mem, o qcow2.CreateOptions) {
	t.Helper()
	cut := *o.Zone
	o.Zone = &qcow2.ZoneOptions{Size: o.ClusterSize}
	if err := qcow2.Create(m, o); err != nil {
		t.Fatal(err)
	}
	img, err := qcow2.Open(m, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	zones := uint32(o.Size / cut.Size)
	for _, e := range img.Header().Extensions {
		if e.Type != format.ExtZoned {
			continue
		}
		for at, v := range map[int]uint32{4: uint32(cut.Size), 8: uint32(cut.Capacity), 12: cut.Conventional, 16: zones, 20: cut.MaxActive, 24: cut.MaxOpen} {
			binary.BigEndian.PutUint32(e.Data[at:], v)
		}
		binary.BigEndian.PutUint64(e.Data[32:], uint64(zones)*8)
	}
	var table []byte
	for k := range zones {
		word := uint64(k) * cut.Size
		if k < cut.Conventional {
			word |= 1 << 59
		}
		table = binary.LittleEndian.AppendUint64(table, word)
	}
	header, err := img.Header().Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.WriteAt(header, 0)
	m.WriteAt(table, int64(img.Zoned().TableOffset))
}

func TestR64_NeighboursKeepTheirBytes(t *testing.T) {
	const zone = 64 << 10
	m := storagetest.NewMem(nil)
	createSmallZones(t, m, qcow2.CreateOptions{Size: 2 << 20, ClusterSize: 1 << 20, Zone: &qcow2.ZoneOptions{Size: zone, Capacity: zone}})
	s := newSimIn(t, m, 1, 4)
	half := pattern(1, zone/2)
	for k := range uint64(8) {
		must(t, "write", s.write(k*zone, half))
	}
	must(t, "reset", s.zone(ublk.OpZoneReset, 2*zone))
	must(t, "finish", s.zone(ublk.OpZoneFinish, 5*zone))
	for again := range 2 {
		for k := range uint64(8) {
			want := half
			if k == 2 {
				want = make([]byte, zone/2)
			}
			s.mustRead(k*zone, want)
			s.mustRead(k*zone+zone/2, make([]byte, zone/2))
		}
		s.close()
		if again == 0 {
			s = newSimIn(t, m, 1, 4)
		}
	}
}
