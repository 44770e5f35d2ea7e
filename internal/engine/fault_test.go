// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// newFaulty is a served image whose file can be made to fail.
func newFaulty(t *testing.T) (*sim, *storagetest.Recorder) {
	t.Helper()
	mem := storagetest.NewMem(nil)
	if err := qcow2.Create(mem, small()); err != nil {
		t.Fatal(err)
	}
	rec := storagetest.NewRecorder(mem)
	return newSimIn(t, rec, 2, 8), rec
}

// TestFailedWrite: a data write that fails is an errno on that request; the
// zone tells its true write pointer, and goes on when the cause is gone.
func TestFailedWrite(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			s, rec := newFaulty(t)
			data := pattern(1, 16<<10)
			must(t, "write", s.write(testZone, data))
			rec.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: 1, Err: errno, Stuck: true})
			if got := s.write(testZone+16<<10, data); got != errno {
				t.Errorf("failed write: %v, want %v", got, errno)
			}
			rec.Heal()
			if z := s.report(testZone, 1)[0]; z.WP*512 != testZone+16<<10 {
				t.Errorf("write pointer %d after the failure", z.WP*512)
			}
			s.mustRead(testZone+16<<10, make([]byte, 16<<10))
			must(t, "write after the failure", s.write(testZone+16<<10, data))
			s.mustRead(testZone+16<<10, data)
			must(t, "flush", s.flush())
			s.close()
		})
	}
}

// TestFailedAppends: a failed append fails what was in flight above it, and
// every answered one is where its answer says.
func TestFailedAppends(t *testing.T) {
	s, rec := newFaulty(t)
	type result struct {
		at    uint64
		seed  uint64
		errno unix.Errno
	}
	results := make(chan result, 64)
	rec.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: 12, Err: unix.EIO})
	for i := range uint64(64) {
		go func() {
			at, errno := s.append(testZone, pattern(i, 8192))
			results <- result{at, i, errno}
		}()
	}
	failed := 0
	var good []result
	for range 64 {
		r := <-results
		if r.errno != 0 {
			failed++
			continue
		}
		good = append(good, r)
	}
	if failed == 0 || len(good) == 0 {
		t.Errorf("%d failed, %d good: the test tests nothing", failed, len(good))
	}
	for _, r := range good {
		s.mustRead(r.at, pattern(r.seed, 8192))
	}
	if wp := s.report(testZone, 1)[0].WP * 512; wp != testZone+uint64(len(good))*8192 {
		t.Errorf("write pointer %d with %d good appends", wp, len(good))
	}
	rec.Heal()
	must(t, "finish", s.zone(ublk.OpZoneFinish, testZone))
	end := testZone + uint64(len(good))*8192
	s.mustRead(end, make([]byte, testZone+testCap-end))
	s.close()
}

// TestFailedBarrier: a failed fdatasync makes the disk read-only for good.
func TestFailedBarrier(t *testing.T) {
	s, rec := newFaulty(t)
	data := pattern(1, 16<<10)
	must(t, "write", s.write(testZone, data))
	rec.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: 1, Err: unix.EIO})
	if errno := s.flush(); errno != unix.EIO {
		t.Errorf("flush: %v, want EIO", errno)
	}
	rec.Heal()
	for name, errno := range map[string]unix.Errno{
		"write":  s.write(testZone+16<<10, data),
		"reset":  s.zone(ublk.OpZoneReset, testZone),
		"finish": s.zone(ublk.OpZoneFinish, testZone),
		"flush":  s.flush(),
	} {
		if errno != unix.EIO {
			t.Errorf("%s after a failed barrier: %v, want EIO", name, errno)
		}
	}
	s.mustRead(testZone, data)
	if !s.disk.frozen.Load() {
		t.Error("the disk is not frozen")
	}
	if s.shut() == nil {
		t.Error("closing a failed image says nothing")
	}
}
