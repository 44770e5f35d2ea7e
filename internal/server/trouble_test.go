// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/engine"
	"zqublkd/internal/fault"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// TestFaultsByCommand: faults are added, listed and cleared through the control
// socket; those that are to persist are there when the next daemon takes over.
func TestFaultsByCommand(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	for _, r := range []fault.Rule{{Op: fault.Flush, Status: "EIO"}, {Op: fault.Write, Status: "ENOSPC", Seed: 9, Persist: true}} {
		if _, err := AddFault(w.run, d.info.ID, r); err != nil {
			t.Fatal(err)
		}
	}
	zone := uint32(1 << 20)
	if _, err := AddFault(w.run, d.info.ID, fault.Rule{Op: fault.Read, Status: "EIO", Zone: &zone}); err == nil || !strings.Contains(err.Error(), "zones 0 to") {
		t.Errorf("a zone that there is not: %v", err)
	}
	if errno := w.write(d, testZone, pattern(1, 8192)); errno != unix.ENOSPC {
		t.Errorf("write: %v", errno)
	}
	if list, err := Faults(w.run, d.info.ID); err != nil || len(list) != 2 || list[1].Met != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	w.kill(d)
	d = w.up(RecoveryReissue)
	list, err := Faults(w.run, d.info.ID)
	if err != nil || len(list) != 1 || list[0].Op != fault.Write || list[0].Seed != 9 {
		t.Errorf("the next daemon has %+v, %v", list, err)
	}
	if err := ClearFaults(w.run, d.info.ID, 7); err == nil {
		t.Error("fault 7 was cleared")
	}
	if err := ClearFaults(w.run, d.info.ID, 0); err != nil {
		t.Error(err)
	}
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	w.kill(d)
	d = w.up(RecoveryReissue)
	if list, err := Faults(w.run, d.info.ID); err != nil || len(list) > 0 {
		t.Errorf("cleared, but the next daemon has %+v, %v", list, err)
	}
	w.down(d)
}

// TestPowerCutByCommand: what was written is gone for the next daemon of the image,
// whatever becomes of the one whose power was cut, and it hands nothing over.
func TestPowerCutByCommand(t *testing.T) {
	for name, end := range map[string]func(*world, *Device){"deleted": (*world).down, "killed": (*world).kill} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.up(RecoveryOff)
			must(t, "write", w.write(d, testZone, pattern(1, 8192)))
			notes, err := PowerCut(w.run, d.info.ID, engine.Cut{Lose: true})
			if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "conventional") {
				t.Errorf("%q, %v", notes, err)
			}
			if errno := w.write(d, testZone+8192, pattern(1, 8192)); errno != unix.EIO {
				t.Errorf("write: %v", errno)
			}
			if s, err := AskStatus(w.run, d.info.ID); err != nil || !strings.Contains(s.Failure, "power was cut") {
				t.Errorf("status: %+v, %v", s, err)
			}
			if err := d.canHandOver(); err == nil {
				t.Error("it would be handed over")
			}
			end(w, d)
			d = w.up(RecoveryOff)
			if wp := d.disk.Rules().State(1).WP; wp != testZone {
				t.Errorf("write pointer %d", wp)
			}
			must(t, "write", w.write(d, testZone, pattern(1, 8192)))
			w.down(d)
		})
	}
}

// TestZonesByCommand: zones of a served device change their condition.
func TestZonesByCommand(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	one := []format.ConditionRun{{First: 1, Zones: 1}}
	if err := SetZones(w.run, d.info.ID, one, true); err != nil {
		t.Fatal(err)
	}
	offline := []format.ConditionRun{{First: 2, Zones: 2, Condition: format.ZoneOffline}}
	if err := SetZones(w.run, d.info.ID, offline, false); err != nil {
		t.Fatal(err)
	}
	if errno := w.write(d, 2*testZone, pattern(1, 8192)); errno != unix.EIO {
		t.Errorf("write: %v", errno)
	}
	if err := SetZones(w.run, d.info.ID, []format.ConditionRun{{First: 0, Zones: 1, Condition: format.ZoneOffline}}, false); err == nil {
		t.Error("a conventional zone is offline")
	}
	w.down(d)
	d = w.up(RecoveryOff)
	for zone, want := range map[uint32]ublk.ZoneCond{1: ublk.CondFull, 2: ublk.CondOffline, 3: ublk.CondOffline, 4: ublk.CondEmpty} {
		if c := d.disk.Rules().State(zone).Condition; ublk.ZoneCond(c) != want {
			t.Errorf("zone %d is %v", zone, c)
		}
	}
	w.down(d)
}
