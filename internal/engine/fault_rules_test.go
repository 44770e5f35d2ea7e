// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/fault"
	"zqublkd/ublk"
)

func (s *sim) addFault(r fault.Rule) int {
	s.t.Helper()
	id, err := s.disk.AddFault(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *sim) clearFaults(id int) {
	s.t.Helper()
	if err := s.disk.ClearFaults(id); err != nil {
		s.t.Fatal(err)
	}
}

// TestEachFault: a rule about each kind of request makes that fail once, with its
// status and with no other effect; all others go on.
func TestEachFault(t *testing.T) {
	s := newSim(t, newImage(t, small()), 1, 4)
	data := pattern(1, 64<<10)
	requests := map[fault.Op]func() unix.Errno{
		fault.Read:   func() unix.Errno { _, errno := s.read(0, 4096); return errno },
		fault.Write:  func() unix.Errno { return s.write(s.report(testZone, 1)[0].WP*512, data) },
		fault.Append: func() unix.Errno { _, errno := s.append(2*testZone, data); return errno },
		fault.Flush:  s.flush,
		fault.Reset:  func() unix.Errno { return s.zone(ublk.OpZoneReset, 2*testZone) },
		fault.Finish: func() unix.Errno { return s.zone(ublk.OpZoneFinish, 3*testZone) },
		fault.Open:   func() unix.Errno { return s.zone(ublk.OpZoneOpen, 4*testZone) },
		fault.Close:  func() unix.Errno { return s.zone(ublk.OpZoneClose, 4*testZone) },
		fault.Report: func() unix.Errno {
			return s.do(ublk.OpReportZones, 0, 0, 1, make([]byte, ublk.BlkZoneBytes)).errno()
		},
	}
	must(t, "append", func() unix.Errno { _, errno := s.append(2*testZone, data); return errno }())
	for _, op := range fault.Ops {
		before := s.report(0, 8)
		id := s.addFault(fault.Rule{Op: op, Status: "EREMOTEIO", Count: 1})
		for other, f := range requests {
			if other != op && (other == fault.Read || other == fault.Flush || other == fault.Report) {
				must(t, string(other), f())
			}
		}
		if errno := requests[op](); errno != unix.EREMOTEIO {
			t.Errorf("%s: %v", op, errno)
		}
		for i, z := range s.report(0, 8) {
			if op == fault.Write && i == 1 { // it was opened for the write
				before[i].Cond = ublk.CondImplicitOpen
			}
			if z != before[i] {
				t.Errorf("%s has changed zone %d: %+v, was %+v", op, i, z, before[i])
			}
		}
		must(t, string(op), requests[op]())
		if l := s.disk.Faults(); len(l) != 1 || l[0].Met != 1 {
			t.Errorf("%s: %+v", op, l)
		}
		s.clearFaults(id)
	}
	if s.disk.faults.set.Load() != nil {
		t.Error("no faults are not nothing to the requests")
	}
	if err := s.disk.ClearFaults(1); err == nil {
		t.Error("a fault that is gone was cleared")
	}
	s.close()
}

// TestTornWrite: whole blocks of a torn write reach the image, not all of them. In a
// sequential zone they lie above the write pointer and never show, not even in the
// tail of a finished zone.
func TestTornWrite(t *testing.T) {
	s := newSim(t, newImage(t, small()), 1, 4)
	data, old := pattern(1, 64<<10), pattern(2, 64<<10)
	must(t, "write", s.write(0, old))
	must(t, "write", s.write(testZone, old))
	s.addFault(fault.Rule{Op: fault.Write, Status: "EIO", Torn: true, Seed: 3})
	for _, off := range []uint64{0, testZone + 64<<10} {
		if errno := s.write(off, data); errno != unix.EIO {
			t.Fatalf("torn write at %d: %v", off, errno)
		}
		raw := make([]byte, len(data))
		if err := s.disk.img.ReadAt(raw, off); err != nil {
			t.Fatal(err)
		}
		n := 0
		for n < len(raw) && raw[n] == data[n] {
			n++
		}
		if n == 0 || n == len(raw) || n%4096 != 0 {
			t.Errorf("at %d, %d bytes have arrived", off, n)
		}
		if off == 0 {
			s.mustRead(0, append(slices.Clone(data[:n]), old[n:]...))
		}
	}
	s.clearFaults(0)
	if z := s.report(testZone, 1)[0]; z.WP*512 != testZone+64<<10 {
		t.Errorf("write pointer %d", z.WP*512)
	}
	s.mustRead(testZone+64<<10, make([]byte, 64<<10))
	must(t, "finish", s.zone(ublk.OpZoneFinish, testZone))
	s.mustRead(testZone+64<<10, make([]byte, 64<<10))
	s.mustRead(testZone, old)
	s.close()
}

// TestLateRequests: a request that is held up comes late, and holds no other up.
func TestLateRequests(t *testing.T) {
	s := newSim(t, newImage(t, small()), 1, 4)
	const delay = 400 * time.Millisecond
	zone := uint32(1)
	s.addFault(fault.Rule{Op: fault.Read, Zone: &zone, DelayMin: delay, DelayMax: delay})
	s.addFault(fault.Rule{Op: fault.Read, Zone: &zone, Status: "ETIMEDOUT", After: 1})
	begun, ended := time.Now(), make(chan unix.Errno)
	for range 2 {
		go func() {
			_, errno := s.read(testZone, 4096)
			ended <- errno
		}()
	}
	for range 20 {
		_, errno := s.read(2*testZone, 4096)
		must(t, "read beside it", errno)
	}
	select {
	case <-ended:
		t.Errorf("answered after %v", time.Since(begun))
	default:
	}
	got := []unix.Errno{<-ended, <-ended}
	if took := time.Since(begun); took < delay {
		t.Errorf("answered after %v", took)
	}
	if slices.Sort(got); !slices.Equal(got, []unix.Errno{0, unix.ETIMEDOUT}) {
		t.Errorf("late requests: %v", got)
	}
	s.close()
}

// TestFaultsRepeat: the same seed and the same requests, the same faults.
func TestFaultsRepeat(t *testing.T) {
	run := func(seed uint64) []unix.Errno {
		s := newSim(t, newImage(t, small()), 1, 4)
		defer s.close()
		s.addFault(fault.Rule{Op: fault.Write, Status: "EIO", Chance: 3, Torn: true, Seed: seed})
		var answers []unix.Errno
		for range 60 {
			answers = append(answers, s.write(s.report(testZone, 1)[0].WP*512, pattern(1, 8192)))
		}
		return answers
	}
	if first := run(7); !slices.Equal(first, run(7)) || slices.Equal(first, run(8)) || !slices.Contains(first, unix.EIO) {
		t.Errorf("answers with seed 7: %v", first)
	}
}

// TestFaultStorm: with faults of all kinds under writes and appends from all sides,
// all that was acknowledged is there, now and after an orderly stop, and the image is
// sound.
func TestFaultStorm(t *testing.T) {
	path := newImage(t, small())
	s := newSim(t, path, 2, 8)
	for k, op := range fault.Ops {
		if op != fault.Report && op != fault.Read {
			torn := op == fault.Write || op == fault.Append
			s.addFault(fault.Rule{Op: op, Status: "EIO", Chance: 4, DelayMax: time.Millisecond, Torn: torn, Seed: uint64(k)})
		}
	}
	const zones = 4
	want := make([][]byte, zones+1)
	var all sync.WaitGroup
	for zone := uint64(1); zone <= zones; zone++ {
		all.Add(1)
		go func() {
			defer all.Done()
			want[zone] = s.storm(zone)
		}()
	}
	all.Wait()
	s.clearFaults(0)
	for range 2 {
		for zone := uint64(1); zone <= zones; zone++ {
			if wp := s.report(zone*testZone, 1)[0].WP*512 - zone*testZone; wp != uint64(len(want[zone])) {
				t.Fatalf("zone %d is written up to %d, acknowledged up to %d", zone, wp, len(want[zone]))
			}
			s.mustRead(zone*testZone, want[zone])
			s.mustRead(zone*testZone+uint64(len(want[zone])), make([]byte, 8192))
		}
		s.close()
		checkImage(t, path)
		s = newSim(t, path, 1, 4)
	}
	s.close()
}

// storm writes a zone by all kinds of requests and returns what was acknowledged.
func (s *sim) storm(zone uint64) []byte {
	var have []byte
	for k := range uint64(40) {
		data, at := pattern(100*zone+k, int(1+k%4)*4096), zone*testZone
		errno := unix.EIO
		if zone%2 == 0 {
			_, errno = s.append(at, data)
		} else {
			errno = s.write(at+uint64(len(have)), data)
		}
		if errno == 0 {
			have = append(have, data...)
		}
		s.flush()
		if k == 20 && s.zone(ublk.OpZoneReset, at) == 0 {
			have = nil
		}
	}
	return bytes.Clone(have)
}
