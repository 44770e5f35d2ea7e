// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"errors"
	"fmt"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

const zoneSize = 1 << 20

// zoned makes an image of 8 zones: one conventional, zone 2 written for 8192 bytes, zone 3 full,
// with space set aside for all of zone 2.
func zoned(t testing.TB, revision string, cluster uint64) *storagetest.Mem {
	t.Helper()
	m := storagetest.NewMem(nil)
	err := qcow2.Create(m, qcow2.CreateOptions{Size: 8 * zoneSize, ClusterSize: cluster, LogicalBlockSize: 4096,
		Zone: &qcow2.ZoneOptions{Revision: revision, Size: zoneSize, Capacity: zoneSize - 65536, Conventional: 1}})
	if err != nil {
		t.Fatal(err)
	}
	i, err := qcow2.Open(m, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	full := make([]byte, zoneSize-65536)
	for k := range full {
		full[k] = byte(k>>9) | 1
	}
	err = errors.Join(i.Ensure(2*zoneSize, zoneSize-65536, 0), i.WriteAt(full[:8192], 2*zoneSize), i.WriteAt(full, 3*zoneSize),
		i.WriteAt(full[:4096], 65536), i.Sync(),
		i.WriteZoneSlots([]format.ZoneSlot{{Zone: 2, WP: 2*zoneSize + 8192}, {Zone: 3, WP: 4*zoneSize - 65536}}), i.Close())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// zonesOf are the write pointers.
func zonesOf(t testing.TB, f storage.File) (wps []uint64) {
	t.Helper()
	i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = i.EachZone(func(zone uint32, e format.ZoneEntry) error { wps = append(wps, e.WP); return nil })
	if err != nil || int(i.Zoned().Zones) != len(wps) {
		t.Fatalf("%d zones, %v", len(wps), err)
	}
	return wps
}

func TestResizeZones(t *testing.T) {
	for _, revision := range format.Revisions {
		for _, cluster := range []uint64{512, 4096, 65536} {
			t.Run(fmt.Sprint(revision, " ", cluster), func(t *testing.T) {
				m := zoned(t, revision, cluster)
				old, was := disk(t, m), zonesOf(t, m)
				if err := Resize(m, ResizeOptions{Size: 200 * zoneSize}); err != nil {
					t.Fatal(err)
				}
				qcow2test.MustBeSound(t, m, true)
				got := zonesOf(t, m)
				for k, wp := range got {
					want := uint64(k) * zoneSize
					if k < len(was) {
						want = was[k]
					}
					if wp != want {
						t.Errorf("zone %d has write pointer %d, want %d", k, wp, want)
					}
				}
				if len(got) != 200 || disk(t, m)[:len(old)] != old {
					t.Errorf("%d zones, or another disk", len(got))
				}
				if err := Resize(m, ResizeOptions{Size: 3 * zoneSize, Shrink: true}); err != nil {
					t.Fatal(err)
				}
				qcow2test.MustBeSound(t, m, true)
				if got := zonesOf(t, m); len(got) != 3 || disk(t, m) != old[:3*zoneSize] {
					t.Errorf("%d zones, or another disk", len(got))
				}
				for _, size := range []uint64{zoneSize * 3 / 2, zoneSize/2 + 512} {
					err := Resize(m, ResizeOptions{Size: size, Shrink: true})
					if !errors.Is(err, format.ErrOption) {
						t.Errorf("size %d: %v", size, err)
					}
				}
			})
		}
	}
}

// TestZonedKilled: cut anywhere, a zoned image is the old or the new one.
func TestZonedKilled(t *testing.T) {
	for name, do := range map[string]func(f storage.File) error{
		"grow":    func(f storage.File) error { return Resize(f, ResizeOptions{Size: 600 * zoneSize}) },
		"shrink":  func(f storage.File) error { return Resize(f, ResizeOptions{Size: 3 * zoneSize, Shrink: true}) },
		"compact": func(f storage.File) error { _, err := Compact(f, nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			rec := storagetest.NewRecorder(zoned(t, "v6", 4096))
			old := fmt.Sprint(zonesOf(t, rec))
			if err := do(rec); err != nil {
				t.Fatal(err)
			}
			now := fmt.Sprint(zonesOf(t, rec))
			for n := range rec.Len() + 1 {
				for seed := range uint64(3) {
					m := rec.Crash(n, storagetest.Shuffled(seed))
					if got := fmt.Sprint(zonesOf(t, m)); got != old && got != now {
						t.Fatalf("cut after %d: %s", n, got)
					}
					i, err := qcow2.Open(m, qcow2.OpenOptions{})
					if err == nil {
						err = i.Close()
					}
					if err != nil {
						t.Fatalf("cut after %d: %v", n, err)
					}
					qcow2test.MustBeSound(t, m, true)
				}
			}
		})
	}
}

// TestCompactZones gives back what was set aside above a write pointer, and keeps the rest.
func TestCompactZones(t *testing.T) {
	for _, cluster := range []uint64{4096, 65536} {
		m := zoned(t, "v6", cluster)
		old, was := disk(t, m), zonesOf(t, m)
		c, err := Compact(m, nil)
		if err != nil || c.Before-c.After < zoneSize/2 {
			t.Errorf("clusters of %d: %+v, %v", cluster, c, err)
		}
		qcow2test.MustBeSound(t, m, true)
		if disk(t, m) != old || fmt.Sprint(zonesOf(t, m)) != fmt.Sprint(was) {
			t.Error("another disk or other zones")
		}
	}
}
