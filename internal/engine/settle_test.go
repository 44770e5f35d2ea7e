// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

const settleZone = 1 << 20

func settledImage(t *testing.T) *storagetest.Mem {
	return created(t, qcow2.CreateOptions{Size: 8 * settleZone, LogicalBlockSize: 4096, Zone: &qcow2.ZoneOptions{Size: settleZone}})
}

// There is no room for a slot in the middle of a RESET ALL. It fails and has
// changed nothing: not what reads show, and not what the next start finds.
func TestC03_ResetAllWithoutRoomChangesNothing(t *testing.T) {
	for room := range 3 {
		for moved := range 9 {
			resetAllWithoutRoom(t, room, moved)
		}
	}
}

func resetAllWithoutRoom(t *testing.T, room, moved int) {
	rec := storagetest.NewRecorder(settledImage(t))
	s := newSimIn(t, rec, 2, 8)
	table := int64(s.disk.img.Zoned().TableOffset)
	data := bytes.Repeat([]byte{0x5a}, 64<<10)
	for _, z := range []uint64{0, 2, 4} {
		must(t, "write", s.write(z*settleZone, data))
	}
	must(t, "flush", s.flush())
	rec.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: 1 + room, Err: unix.ENOSPC, Moved: moved, From: table, To: table + 64})
	errno := s.zone(ublk.OpZoneResetAll, 0)
	failed := rec.Len()
	// Nothing is written in a row here but the three zones: each is a write.
	if errno == 0 && room < 1 {
		t.Fatal("the reset did not fail")
	}
	if errno == 0 {
		s.close()
		return
	}
	rec.Heal()
	inspect := func(s *sim, when string) {
		t.Helper()
		for _, z := range []uint64{0, 2, 4} {
			wp := s.report(z*settleZone, 1)[0].WP * 512
			got, errno := s.read(z*settleZone, len(data))
			if errno != 0 || wp != z*settleZone+64<<10 || !bytes.Equal(got, data) {
				t.Fatalf("room for %d slots and %d bytes, %s: zone %d has its write pointer at %d and reads %#x (%v)", room, moved, when, z, wp, got[0], errno)
			}
		}
	}
	inspect(s, "after the failed reset")
	after := newSimIn(t, rec.Crash(failed, storagetest.None), 1, 4)
	inspect(after, "after a power cut")
	after.close()
	must(t, "flush", s.flush())
	s.close()
	after = newSimIn(t, rec, 1, 4)
	inspect(after, "after the next start")
	must(t, "reset all, with room", after.zone(ublk.OpZoneResetAll, 0))
	after.close()
}

// A daemon is killed inside a reset, whose slot is written and not durable; the
// next one starts, and the power goes. The zone is as it was or empty, never one
// that has its write pointer and reads zeros.
func TestC05_KilledInReset(t *testing.T) {
	mem := settledImage(t)
	s := newSimIn(t, mem, 1, 8)
	must(t, "write", s.write(0, bytes.Repeat([]byte{0x5a}, 64<<10)))
	must(t, "flush", s.flush())
	s.close()
	rec := storagetest.NewRecorder(mem)
	img, err := qcow2.Open(rec, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// What table.reset does before its sync, at which the daemon is killed.
	if err := img.WriteZoneSlots([]format.ZoneSlot{{Zone: 0, WP: 0}}); err != nil {
		t.Fatal(err)
	}
	killed := rec.Len()
	newSimIn(t, rec, 1, 8).close()
	if rec.Len() == killed {
		t.Fatal("the next start did nothing")
	}
	for n := killed; n <= rec.Len(); n++ {
		for _, keep := range append(rec.Pending(n), -1) {
			s := newSimIn(t, rec.Crash(n, func(op, _ int) bool { return op == keep }), 1, 8)
			z := s.report(0, 1)[0]
			got, _ := s.read(0, 4096)
			if z.WP != 0 && got[0] != 0x5a {
				t.Errorf("power cut after operation %d, only %d kept: write pointer %d, reads %#x", n, keep, z.WP, got[0])
			}
			s.close()
		}
	}
}

// A daemon is killed after a write pointer has moved in the page cache only; the
// next start must not punch by it.
func TestC05_SlotsAreSettledBeforeTheSweep(t *testing.T) {
	mem := settledImage(t)
	rec := storagetest.NewRecorder(mem)
	s := newSimIn(t, rec, 1, 8)
	must(t, "write", s.write(0, bytes.Repeat([]byte{0x5a}, 64<<10)))
	must(t, "flush", s.flush())
	// The sync of a reset fails: its slot is read and not on the disk.
	rec.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: 1, Err: unix.EIO})
	if errno := s.zone(ublk.OpZoneReset, 0); errno != unix.EIO {
		t.Fatalf("reset: %v", errno)
	}
	rec.Heal()
	s.shut()
	s = newSimIn(t, rec, 1, 8)
	wp := s.report(0, 1)[0].WP
	got, _ := s.read(0, 4096)
	s.close()
	if wp*512 != 64<<10 || got[0] != 0x5a {
		t.Errorf("flushed, and its reset failed: write pointer %d, reads %#x", wp*512, got[0])
	}
}

// A disk that was frozen is taken over for reading: its image is not touched, so
// that it keeps the dirty bit, and what it has shown it goes on showing.
func TestC02_FrozenIsTakenOverUntouched(t *testing.T) {
	d := newDeath(t)
	must(t, "write", d.write(testZone, pattern(1, 4096)))
	d.disk.freezeFor(errors.New("no barrier"))
	d.sim.kill()
	before := imageBytes(t, d.image)
	if h, err := format.ParseHeader(before); err != nil || h.Incompatible&format.IncompatDirty == 0 {
		t.Fatalf("the image that was written to is not dirty: %v", err)
	}
	d.revive()
	if d.disk.Failure() == nil || !d.disk.frozen.Load() {
		t.Error("the next daemon does not know that the disk has failed")
	}
	for what, errno := range map[string]unix.Errno{
		"write": d.write(testZone+4096, pattern(1, 4096)), "flush": d.flush(), "reset": d.zone(ublk.OpZoneReset, testZone),
	} {
		if errno != unix.EIO {
			t.Errorf("%s: %v", what, errno)
		}
	}
	if got, errno := d.read(testZone, 4096); errno != 0 || !bytes.Equal(got, pattern(1, 4096)) {
		t.Errorf("read: %v", errno)
	}
	d.sim.shut()
	if !bytes.Equal(before, imageBytes(t, d.image)) {
		t.Error("the takeover has changed the image")
	}
}

// kill ends the daemon as SIGKILL does: what it wrote is in the page cache, and
// nothing more is.
func (s *sim) kill() {
	for _, q := range s.queues {
		close(q.quit)
	}
	s.ended.Wait()
	close(s.disk.tasks)
	s.disk.working.Wait()
	s.disk.files.Close()
	unix.Munmap(s.disk.zeros)
	for _, q := range s.queues {
		q.q.bufs.close()
	}
}

func imageBytes(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
