// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"fmt"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

const cutZone = 1 << 20

// writeZones writes some to zones, for which space is set aside as the engine does it: all of
// a zone at its first write.
func writeZones(t *testing.T, i *Image, bytesOf map[uint32]uint64) {
	t.Helper()
	var slots []format.ZoneSlot
	for zone := range i.zones.Zones {
		n, ok := bytesOf[zone]
		if !ok {
			continue
		}
		start := i.zones.ZoneStart(zone)
		must(t, i.Ensure(start, n, i.zones.ZoneSize-n))
		must(t, i.WriteAt(bytes.Repeat([]byte{byte(zone + 1)}, int(n)), start))
		slots = append(slots, format.ZoneSlot{Zone: zone, WP: start + n})
	}
	must(t, i.Sync())
	must(t, i.WriteZoneSlots(slots))
	must(t, i.Sync())
}

// below is what the zones hold below their write pointers.
func below(t *testing.T, f storage.File) string {
	t.Helper()
	i, err := Open(f, OpenOptions{ReadOnly: true, Lenient: true})
	must(t, err)
	var all bytes.Buffer
	must(t, i.EachZone(func(zone uint32, e format.ZoneEntry) error {
		p := make([]byte, e.WP-i.zones.ZoneStart(zone))
		all.WriteString(fmt.Sprintln(zone, e.WP))
		err := i.ReadAt(p, i.zones.ZoneStart(zone))
		all.Write(p)
		return err
	}))
	return all.String()
}

// TestCutEnd: the file ends behind the last cluster that can be read, whatever the order in
// which zones were begun; what they hold stays, and they can be written on.
func TestCutEnd(t *testing.T) {
	for name, o := range map[string]CreateOptions{
		"64K":         {},
		"4K":          {ClusterSize: 4096},
		"512":         {ClusterSize: 512, LogicalBlockSize: 512},
		"subclusters": {ClusterSize: 16384, ExtendedL2: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Size, o.Zone = 16*cutZone, &ZoneOptions{Size: cutZone, Capacity: cutZone - 65536}
			m := storagetest.NewMem(nil)
			must(t, Create(m, o))
			i, err := Open(m, OpenOptions{})
			must(t, err)
			writeZones(t, i, map[uint32]uint64{5: cutZone - 65536, 3: 8192, 1: 4096})
			writeZones(t, i, map[uint32]uint64{0: 300 << 10})
			writeZones(t, i, map[uint32]uint64{7: 4096, 9: 0})
			old, err := m.Size()
			must(t, err)
			want := below(t, m)
			rec := storagetest.NewRecorder(m)
			must(t, i.Close())
			i, err = Open(rec, OpenOptions{})
			must(t, err)
			must(t, i.Resolve(0, i.VirtualSize()))
			must(t, i.CutEnd())
			must(t, i.Close())
			qcow2test.MustBeSound(t, rec, true)
			size, err := rec.Size()
			must(t, err)
			if old-size < cutZone*9/10 || below(t, rec) != want {
				t.Fatalf("a file of %d bytes became one of %d", old, size)
			}
			for n := 0; n <= rec.Len(); n += 1 + rec.Len()/24 {
				for seed := range uint64(2) {
					m := rec.Crash(n, storagetest.Shuffled(seed))
					r, err := check.Check(m, check.Options{})
					if err != nil || r.Corruptions > 0 {
						t.Fatalf("cut off after %d of %d: %v %s", n, rec.Len(), err, qcow2test.Text(r))
					}
					again, err := Open(m, OpenOptions{})
					must(t, err)
					must(t, again.Close())
					qcow2test.MustBeSound(t, m, true)
					if below(t, m) != want {
						t.Fatalf("cut off after %d of %d: other contents", n, rec.Len())
					}
				}
			}
			i, err = Open(rec, OpenOptions{})
			must(t, err)
			writeZones(t, i, map[uint32]uint64{9: 700 << 10, 7: 8192})
			must(t, i.Close())
			qcow2test.MustBeSound(t, rec, true)
		})
	}
}
