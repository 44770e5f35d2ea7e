// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

func (s *sim) cut(c Cut) error {
	var queues []*Queue
	for _, q := range s.queues {
		queues = append(queues, q.q)
	}
	return s.disk.PowerCut(queues, c)
}

func everything(int, int) bool { return true }

// TestPowerCutKeepsPromises cuts the power of each workload of TestCrash at its end,
// and holds what the next daemon finds against the same promises.
func TestPowerCutKeepsPromises(t *testing.T) {
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for k, c := range []Cut{{Lose: true}, {Seed: *crashSeed}, {Seed: *crashSeed + 1}, {Lose: true}, {Seed: *crashSeed}, {Seed: *crashSeed + 1}} {
				rec := storagetest.NewRecorder(w.image(t))
				if silent, ok := pastCache[w.name]; ok {
					rec.PassCache(512, silent)
				}
				r := newCrashRunIn(t, rec, *crashSeed)
				if k >= 3 {
					r.s.disk.volatile = newVolatile()
				}
				w.do(r)
				if err := r.s.cut(c); err != nil {
					t.Fatal(err)
				}
				n := rec.Len()
				if err := r.s.shut(); err != nil || rec.Len() != n {
					t.Fatalf("del has written the image (%d operations), or failed: %v", rec.Len()-n, err)
				}
				r.settle()
				if err := r.judge(crashState{n, "all that was written", everything}); err != nil {
					t.Fatalf("%+v: %v", c, err)
				}
			}
		})
	}
}

// limited is an image on which two zones may be active.
func limited() qcow2.CreateOptions {
	o := small()
	o.Zone.MaxOpen, o.Zone.MaxActive = 2, 2
	return o
}

// TestPowerCut: from then on every request fails with EIO, write pointers are between
// the flushed and the written one, on blocks, no more zones are active than may be,
// and the same seed leaves the same image.
func TestPowerCut(t *testing.T) {
	const flushed, written = 64 << 10, 512 << 10
	run := func(c Cut) (wps [4]uint64, image []byte) {
		mem := storagetest.NewMem(nil)
		if err := qcow2.Create(mem, limited()); err != nil {
			t.Fatal(err)
		}
		rec := storagetest.NewRecorder(mem)
		s := newSimIn(t, rec, 2, 8)
		must(t, "write", s.write(testZone, pattern(1, flushed)))
		must(t, "flush", s.flush())
		must(t, "write", s.write(testZone+flushed, pattern(2, written-flushed)))
		for zone := uint64(2); zone < 4; zone++ { // full, and begun in its stead
			for off := uint64(0); off < testCap && (zone == 2 || off == 0); off += testCap / 3 {
				must(t, "write", s.write(zone*testZone+off, pattern(zone, testCap/3)))
			}
		}
		if err := s.cut(c); err != nil {
			t.Fatal(err)
		}
		n := rec.Len()
		_, errno := s.read(testZone, 4096)
		for what, errno := range map[string]unix.Errno{
			"read": errno, "write": s.write(testZone+written, pattern(1, 4096)), "flush": s.flush(),
			"reset": s.zone(ublk.OpZoneReset, testZone), "open": s.zone(ublk.OpZoneOpen, testZone),
			"report": s.do(ublk.OpReportZones, 0, 0, 1, make([]byte, ublk.BlkZoneBytes)).errno(),
		} {
			if errno != unix.EIO {
				t.Errorf("%s without power: %v", what, errno)
			}
		}
		if err := s.cut(c); err == nil {
			t.Error("the power was cut twice")
		}
		if err := s.disk.FinishZone(1); err == nil {
			t.Error("a zone was made full without power")
		}
		if err := s.shut(); err != nil || rec.Len() != n {
			t.Errorf("%d operations of the file after the cut, %v", rec.Len()-n, err)
		}
		left := rec.Crash(n, everything)
		size, err := left.Size()
		if err != nil {
			t.Fatal(err)
		}
		image = make([]byte, size)
		if _, err := left.ReadAt(image, 0); err != nil {
			t.Fatal(err)
		}
		next := newSimIn(t, left, 1, 4)
		if got := next.disk.zones.Active(); got > 2 {
			t.Errorf("%+v: %d zones are active", c, got)
		}
		for zone := range uint64(4) {
			if zone > 0 {
				wps[zone] = next.disk.zones.State(uint32(zone)).WP - zone*testZone
			}
		}
		next.close()
		return wps, image
	}
	if wps, _ := run(Cut{Lose: true, Seed: 5}); wps != [4]uint64{0, flushed, 0, 0} {
		t.Errorf("what no flush has covered is not lost: %v", wps)
	}
	seen := map[[4]uint64]bool{}
	for seed := range uint64(24) {
		wps, image := run(Cut{Seed: seed})
		seen[wps] = true
		if wps[1] < flushed || wps[1] > written || wps[2] > testCap || wps[3] > written || (wps[1]|wps[2]|wps[3])%4096 != 0 {
			t.Errorf("seed %d: write pointers %v", seed, wps)
		}
		if seed%8 != 0 {
			continue
		}
		if again, same := run(Cut{Seed: seed}); again != wps || !bytes.Equal(image, same) {
			t.Errorf("seed %d: write pointers %v, then %v; the same image: %v", seed, wps, again, bytes.Equal(image, same))
		}
	}
	if len(seen) < 12 {
		t.Errorf("24 seeds leave only %v", seen)
	}
}

// TestPowerCutOutlivesTheDaemon: the next daemon of the device has no power either,
// and nothing of what the cut has lost comes back.
func TestPowerCutOutlivesTheDaemon(t *testing.T) {
	d := newDeath(t)
	must(t, "write", d.write(testZone, pattern(1, 64<<10)))
	if err := d.cut(Cut{Lose: true}); err != nil {
		t.Fatal(err)
	}
	d.die()
	d.revive()
	if _, errno := d.read(testZone, 4096); errno != unix.EIO {
		t.Errorf("read: %v", errno)
	}
	d.sim.close()
	s := newSim(t, d.image, 1, 4)
	if z := s.report(testZone, 1)[0]; z.WP*512 != testZone {
		t.Errorf("write pointer %d", z.WP*512)
	}
	s.close()
	checkImage(t, d.image)
}
