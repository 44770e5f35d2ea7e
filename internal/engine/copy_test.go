// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestFailedCopies: a request whose data can't be copied gets an error, once,
// its tag serves the next, and a zone is not written past.
func TestFailedCopies(t *testing.T) {
	for _, c := range []struct {
		name   string
		result func(n int) int32
	}{
		{"refused", func(int) int32 { return -int32(unix.EFAULT) }},
		{"short", func(n int) int32 { return int32(n) / 2 }},
		{"nothing", func(int) int32 { return 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newImage(t, qcow2.CreateOptions{Size: 64 << 20, Zone: &qcow2.ZoneOptions{Size: 8 << 20, Conventional: 1}})
			s := newSim(t, path, 1, 2)
			var fail atomic.Bool
			s.queues[0].copies = func(n int) int32 {
				if fail.Load() {
					return c.result(n)
				}
				return int32(n)
			}
			failing := func(what string, do func() unix.Errno) {
				t.Helper()
				fail.Store(true)
				defer fail.Store(false)
				for range 5 {
					if e := do(); e == 0 {
						t.Errorf("%s succeeded", what)
					}
				}
			}
			const zone = 8 << 20
			data := bytes.Repeat([]byte{7}, 64<<10)
			for off := uint64(0); off <= zone; off += zone { // mapped from now on
				if e := s.write(off, data); e != 0 {
					t.Fatal(e)
				}
			}
			failing("write", func() unix.Errno { return s.write(0, data) })
			failing("zone write", func() unix.Errno { return s.write(zone+64<<10, data) })
			failing("append", func() unix.Errno { _, e := s.append(zone, data); return e })
			failing("read", func() unix.Errno { _, e := s.read(0, len(data)); return e })
			failing("read of nothing", func() unix.Errno { _, e := s.read(4*zone, len(data)); return e })

			at, e := s.append(zone, data)
			if e != 0 || at != zone+64<<10 {
				t.Errorf("append after the failures at %d: errno %v", at, e)
			}
			for _, off := range []uint64{0, zone, at} {
				if got, e := s.read(off, len(data)); e != 0 || !bytes.Equal(got, data) {
					t.Errorf("read at %d: errno %v", off, e)
				}
			}
			if a := s.do(ublk.OpFlush, 0, 0, 0, nil); a.res != 0 {
				t.Error(a.errno())
			}
			s.close()
			checkImage(t, path)
		})
	}
}
