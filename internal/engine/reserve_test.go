// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestReserve: host space is taken by the window, given back by a reset, and
// never beyond the capacity. In memory it is taken as it is written.
func TestReserve(t *testing.T) {
	const zone = 16 << 20
	options := qcow2.CreateOptions{Size: 4 * zone, Zone: &qcow2.ZoneOptions{Size: zone, Capacity: 6 << 20}}
	t.Run("here", func(t *testing.T) { testReserve(t, newImage(t, options)) })
	t.Run("tmpfs", func(t *testing.T) {
		t.Setenv("TMPDIR", "/dev/shm")
		testReserve(t, newImage(t, options))
	})
}

func testReserve(t *testing.T, path string) {
	const zone = 16 << 20
	s := newSim(t, path, 1, 4)
	blocks := func() uint64 {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return uint64(st.Blocks) * 512
	}
	near := func(what string, got, want uint64) {
		t.Helper()
		if got < want || got > want+1<<20 {
			t.Errorf("%s: the file holds %d bytes more than at first, want %d", what, got, want)
		}
	}
	before := blocks()
	if e := s.write(zone, make([]byte, 4096)); e != 0 {
		t.Fatal(e)
	}
	inMemory := errors.Is(s.disk.file.Reserve(0, 1), storage.ErrNotSupported)
	first, second := uint64(reserveWindow), uint64(6<<20)
	if inMemory {
		first, second = 0, reserveWindow
	}
	near("after one write", blocks()-before, first)
	for off := uint64(4096); off < reserveWindow+8192; off += 4096 {
		if e := s.write(zone+off, make([]byte, 4096)); e != 0 {
			t.Fatal(e)
		}
	}
	near("in the second window", blocks()-before, second)
	if e := s.zone(ublk.OpZoneReset, zone); e != 0 {
		t.Fatal(e)
	}
	near("after the reset", blocks()-before, 0)
	s.close()
	checkImage(t, path)
}

// TestReserveFails: a host that can't give space ahead costs no write.
func TestReserveFails(t *testing.T) {
	for _, err := range []error{unix.ENOSPC, storage.ErrNotSupported} {
		t.Run(err.Error(), func(t *testing.T) {
			m := storagetest.NewMem(nil)
			if err := qcow2.Create(m, qcow2.CreateOptions{Size: 64 << 20, Zone: &qcow2.ZoneOptions{Size: 16 << 20}}); err != nil {
				t.Fatal(err)
			}
			r := storagetest.NewRecorder(m)
			r.Inject(storagetest.Fault{Kind: storagetest.OpReserve, Nth: 1, Err: err, Stuck: true})
			s := newSimIn(t, r, 1, 4)
			for off := uint64(0); off < 1<<20; off += 64 << 10 {
				if e := s.write(off, make([]byte, 64<<10)); e != 0 {
					t.Fatal(e)
				}
			}
			s.close()
		})
	}
}
