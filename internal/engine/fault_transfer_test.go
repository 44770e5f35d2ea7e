// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestShortTransfers: file I/O that moves less than it should, or is
// interrupted, is finished.
func TestShortTransfers(t *testing.T) {
	var calls atomic.Int64
	for name, disturb := range map[string]func(n int) (int, unix.Errno){
		"nothing":     func(int) (int, unix.Errno) { return 0, 0 },
		"one byte":    func(int) (int, unix.Errno) { return 1, 0 },
		"all but one": func(n int) (int, unix.Errno) { return n - 1, 0 },
		"half":        func(n int) (int, unix.Errno) { return n / 2, 0 },
		"interrupted": func(int) (int, unix.Errno) { return 0, unix.EINTR },
		"try again":   func(int) (int, unix.Errno) { return 0, unix.EAGAIN },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newFaulty(t)
			data := pattern(1, 96<<10)
			must(t, "first write", s.write(testZone, data))
			s.disturb = func(n int) (int, unix.Errno) { calls.Add(1); return disturb(n) }
			before := calls.Load()
			must(t, "write", s.write(testZone+96<<10, data))
			must(t, "conventional write", s.write(4096, data))
			at, errno := s.append(2*testZone, data)
			must(t, "append", errno)
			for _, off := range []uint64{testZone, testZone + 96<<10, 4096, at} {
				s.mustRead(off, data)
			}
			if calls.Load() == before {
				t.Error("no file I/O was disturbed")
			}
			must(t, "finish", s.zone(ublk.OpZoneFinish, testZone))
			s.close()
		})
	}
}

// TestTruncatedFile: what was cut off the image file while it is served is an
// error, never zeros; what is left can be read, and no flush promises anything.
func TestTruncatedFile(t *testing.T) {
	s, rec := newFaulty(t)
	data := pattern(1, 64<<10)
	for zone := range uint64(4) {
		must(t, "write", s.write(zone*testZone, data))
	}
	must(t, "flush", s.flush())
	last := s.disk.img.Lookup(3*testZone, 64<<10)
	if last.Kind != qcow2.Data {
		t.Fatalf("zone 3 is stored as %+v", last)
	}
	if err := rec.Truncate(int64(last.Host + 4096)); err != nil {
		t.Fatal(err)
	}
	s.mustRead(testZone, data)
	s.mustRead(3*testZone, data[:4096])
	if _, errno := s.read(3*testZone, 64<<10); errno != unix.EIO {
		t.Errorf("read past the new end: %v, want EIO", errno)
	}
	if z := s.report(3*testZone, 1)[0]; z.WP*512 != 3*testZone+64<<10 {
		t.Errorf("write pointer %d", z.WP*512)
	}
	if errno := s.flush(); errno != unix.EIO {
		t.Errorf("flush: %v, want EIO", errno)
	}
	if err := s.disk.Failure(); err == nil || !strings.Contains(err.Error(), "truncated while it is in use") {
		t.Errorf("failure: %v", err)
	}
	if errno := s.write(testZone+64<<10, data); errno != unix.EIO {
		t.Errorf("write: %v, want EIO", errno)
	}
	s.mustRead(testZone, data)
	if s.shut() == nil {
		t.Error("closing a truncated image says nothing")
	}
}
