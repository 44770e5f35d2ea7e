// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/fault"
	"zqublkd/qcow2/format"
	"zqublkd/zoned"
)

// parts is the number of part-written zones that the table counts, and that there
// are.
func (s *sim) parts() (counted, real int) {
	t := s.disk.durability
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.part, newDurability(s.disk.img, s.disk.zones, t.stale, t.ahead, t.saved).part
}

// TestZonesDegradeInUse: zones become read-only and offline while they are written;
// every request is answered, what was acknowledged stays, and so do the conditions.
func TestZonesDegradeInUse(t *testing.T) {
	path := newImage(t, limited())
	s := newSim(t, path, 2, 8)
	var all sync.WaitGroup
	acknowledged := make([]uint64, 3)
	for zone := uint64(1); zone <= 2; zone++ {
		begun := make(chan struct{})
		for writer := range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				for k := range 20 {
					if writer == 0 && k == 3 {
						close(begun)
					}
					at, errno := s.append(zone*testZone, pattern(zone, 4096))
					if errno != 0 && errno != unix.EIO {
						t.Errorf("append: %v", errno)
					}
					if errno == 0 {
						s.disk.lastErrors.mu.Lock() // any lock
						acknowledged[zone] = max(acknowledged[zone], at+4096)
						s.disk.lastErrors.mu.Unlock()
					}
				}
			}()
		}
		<-begun
		c := []format.ZoneCondition{0, format.ZoneReadOnly, format.ZoneOffline}[zone]
		if err := s.disk.SetConditions(format.ConditionRun{First: uint32(zone), Zones: 1, Condition: c}); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	must(t, "write of another zone", s.write(3*testZone, pattern(3, 4096)))
	must(t, "flush", s.flush())
	if counted, real := s.parts(); counted != real || real != 1 {
		t.Errorf("%d part-written zones are counted, %d there are", counted, real)
	}
	for range 2 {
		for zone, want := range map[uint32]zoned.Condition{1: zoned.ReadOnly, 2: zoned.Offline} {
			if z := s.disk.zones.State(zone); z.Condition != want || z.WP != acknowledged[zone] {
				t.Errorf("zone %d: %+v, acknowledged up to %d", zone, z, acknowledged[zone])
			}
			if errno := s.write(acknowledged[zone], pattern(1, 4096)); errno != unix.EIO {
				t.Errorf("write of zone %d: %v", zone, errno)
			}
		}
		if _, errno := s.read(2*testZone, 4096); errno != unix.EIO {
			t.Errorf("read of an offline zone: %v", errno)
		}
		s.mustRead(testZone, pattern(1, 4096))
		s.close()
		checkImage(t, path)
		s = newSim(t, path, 2, 8)
	}
	if err := s.disk.SetConditions(format.ConditionRun{First: 1, Zones: 2}); err != nil {
		t.Fatal(err)
	}
	s.mustRead(2*testZone, pattern(2, 4096))
	if counted, real := s.parts(); counted != real || real != 3 {
		t.Errorf("normal again: %d part-written zones are counted, %d there are", counted, real)
	}
	s.close()
	checkImage(t, path)
}

// TestZoneBecomesFull: its data stays, the rest reads as zeros, durably, whatever
// faults there are for the requests of clients; a conventional zone never does.
func TestZoneBecomesFull(t *testing.T) {
	path := newImage(t, small())
	s := newSim(t, path, 1, 1)
	data := pattern(1, 64<<10)
	must(t, "write", s.write(testZone, data))
	s.addFault(everyFinish)
	if err := s.disk.FinishZone(1); err != nil {
		t.Fatal(err)
	}
	for _, zone := range []uint32{0, 4096} {
		if err := s.disk.FinishZone(zone); err == nil {
			t.Errorf("zone %d became full", zone)
		}
	}
	if err := s.disk.SetConditions(format.ConditionRun{First: 2, Zones: 1, Condition: format.ZoneOffline}); err != nil {
		t.Fatal(err)
	}
	if err := s.disk.FinishZone(2); err == nil {
		t.Error("an offline zone became full")
	}
	s.disk.Abandon()
	s.close()
	s = newSim(t, path, 1, 1)
	if z := s.disk.zones.State(1); z.Condition != zoned.Full {
		t.Errorf("zone 1: %+v", z)
	}
	s.mustRead(testZone, data)
	s.mustRead(testZone+64<<10, make([]byte, 64<<10))
	s.close()
	checkImage(t, path)
}

var everyFinish = fault.Rule{Op: fault.Finish, Status: "EIO"}
