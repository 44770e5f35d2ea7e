// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

func setConditions(t *testing.T, image string, runs ...format.ConditionRun) {
	t.Helper()
	f, err := storage.Open(image, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err == nil {
		err = errors.Join(img.SetZoneConditions(runs...), img.Close(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A zone that was taken from its users has its data and write pointer again
// when it comes back, whatever they tried meanwhile.
func TestDegradedZonesComeBack(t *testing.T) {
	path := newImage(t, small())
	s := newSim(t, path, 1, 4)
	data := pattern(1, 64<<10)
	for _, zone := range []uint64{2, 3} {
		must(t, "write", s.write(zone*testZone, data))
	}
	s.close()
	setConditions(t, path, format.ConditionRun{First: 2, Zones: 1, Condition: format.ZoneReadOnly}, format.ConditionRun{First: 3, Zones: 1, Condition: format.ZoneOffline})
	s = newSim(t, path, 1, 4)
	s.mustRead(2*testZone, data)
	if _, errno := s.read(3*testZone, 4096); errno != unix.EIO {
		t.Errorf("read of an offline zone: %v", errno)
	}
	for _, zone := range []uint64{2, 3} {
		for name, errno := range map[string]unix.Errno{"write": s.write(zone*testZone+64<<10, data),
			"reset": s.zone(ublk.OpZoneReset, zone*testZone), "finish": s.zone(ublk.OpZoneFinish, zone*testZone)} {
			if errno != unix.EIO {
				t.Errorf("%s of zone %d: %v", name, zone, errno)
			}
		}
	}
	must(t, "reset of all zones", s.zone(ublk.OpZoneResetAll, 0))
	s.close()
	checkImage(t, path)
	setConditions(t, path, format.ConditionRun{First: 2, Zones: 2})
	s = newSim(t, path, 1, 4)
	for _, zone := range []uint64{2, 3} {
		s.mustRead(zone*testZone, data)
		must(t, "write", s.write(zone*testZone+64<<10, data))
	}
	s.close()
	checkImage(t, path)
}

// A daemon that takes over goes on with degraded zones as they were.
func TestDegradedZonesOutliveTheDaemon(t *testing.T) {
	d := newDeath(t)
	d.sim.close()
	setConditions(t, d.image, format.ConditionRun{First: 2, Zones: 1, Condition: format.ZoneReadOnly}, format.ConditionRun{First: 4, Zones: 1, Condition: format.ZoneOffline})
	d.create()
	before := d.report(0, 8)
	d.die()
	d.revive()
	for i, z := range d.report(0, 8) {
		if z != before[i] {
			t.Errorf("zone %d: %+v, was %+v", i, z, before[i])
		}
	}
	if c := zoned.Condition(d.report(0, 8)[2].Cond); c != zoned.ReadOnly {
		t.Errorf("zone 2 is %v", c)
	}
	d.sim.close()
}
