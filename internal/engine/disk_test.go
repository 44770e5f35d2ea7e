// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

const (
	testZone = 1 << 20
	testCap  = 768 << 10
)

// small is an image of 8 zones, the first one conventional.
func small() qcow2.CreateOptions {
	return qcow2.CreateOptions{Size: 8 * testZone, Zone: &qcow2.ZoneOptions{
		Size: testZone, Capacity: testCap, Conventional: 1, MaxOpen: 3, MaxActive: 4,
	}}
}

// pattern is n bytes that tell their place and seed.
func pattern(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := r.Uint64()
		for k := i; k < min(i+8, n); k++ {
			b[k] = byte(v >> (8 * (k - i)))
		}
	}
	return b
}

func (s *sim) mustRead(off uint64, want []byte) {
	s.t.Helper()
	got, errno := s.read(off, len(want))
	if errno != 0 {
		s.t.Fatalf("read at %d: %v", off, errno)
	}
	if !bytes.Equal(got, want) {
		at := 0
		for got[at] == want[at] {
			at++
		}
		s.t.Fatalf("read at %d: differs from byte %d on (%#x, want %#x)", off, at, got[at], want[at])
	}
}

func must(t testing.TB, what string, errno unix.Errno) {
	t.Helper()
	if errno != 0 {
		t.Fatalf("%s: %v", what, errno)
	}
}

func TestWriteReadAcrossReopen(t *testing.T) {
	for _, cluster := range []uint64{512, 4096, 64 << 10, 1 << 20} {
		for _, block := range []uint32{512, 4096} {
			t.Run(fmt.Sprintf("cluster %d block %d", cluster, block), func(t *testing.T) {
				o := small()
				o.ClusterSize, o.LogicalBlockSize = cluster, block
				path := newImage(t, o)
				a, b, c := pattern(1, 256<<10), pattern(2, 12<<10), pattern(3, 4096)

				s := newSim(t, path, 2, 8)
				must(t, "write", s.write(2*testZone, a))
				must(t, "write", s.write(2*testZone+256<<10, b))
				must(t, "conventional write", s.write(64<<10, c))
				must(t, "conventional overwrite", s.write(66<<10, c))
				s.mustRead(2*testZone, append(append([]byte{}, a...), b...))
				s.close()
				checkImage(t, path)

				s = newSim(t, path, 1, 4)
				s.mustRead(2*testZone, append(append([]byte{}, a...), b...))
				s.mustRead(2*testZone+268<<10, make([]byte, 64<<10))
				s.mustRead(64<<10, append(append([]byte{}, c[:2048]...), c...))
				zones := s.report(0, 8)
				if z := zones[2]; z.WP*512 != 2*testZone+268<<10 || z.Cond != ublk.CondClosed {
					t.Errorf("zone 2 after reopen: %+v", z)
				}
				s.close()
			})
		}
	}
}

func TestResetHidesAndFinishZeroes(t *testing.T) {
	path := newImage(t, small())
	s := newSim(t, path, 1, 4)
	data := pattern(4, 128<<10)
	zeros := make([]byte, 128<<10)
	must(t, "write", s.write(testZone, data))
	must(t, "write", s.write(3*testZone, data))
	must(t, "reset", s.zone(ublk.OpZoneReset, testZone))
	s.mustRead(testZone, zeros)
	must(t, "short write after reset", s.write(testZone, data[:4096]))
	s.mustRead(testZone, append(append([]byte{}, data[:4096]...), zeros[4096:]...))
	must(t, "finish", s.zone(ublk.OpZoneFinish, testZone))
	s.mustRead(testZone, append(append([]byte{}, data[:4096]...), zeros[4096:]...))
	if errno := s.write(testZone+4096, data[:4096]); errno != unix.EIO {
		t.Errorf("write to a finished zone: %v", errno)
	}
	must(t, "reset all", s.zone(ublk.OpZoneResetAll, 0))
	for i, z := range s.report(0, 8) {
		if i > 0 && z.Cond != ublk.CondEmpty {
			t.Errorf("zone %d after reset of all: %v", i, z.Cond)
		}
	}
	s.mustRead(testZone, zeros)
	s.mustRead(3*testZone, zeros)
	s.close()
	checkImage(t, path)
}

func TestErrnos(t *testing.T) {
	path := newImage(t, small())
	s := newSim(t, path, 1, 4)
	defer s.close()
	block := pattern(5, 4096)
	for _, c := range []struct {
		name string
		got  unix.Errno
		want unix.Errno
	}{
		{"above the write pointer", s.write(testZone+4096, block), unix.EIO},
		{"open", s.zone(ublk.OpZoneOpen, testZone), 0},
		{"open", s.zone(ublk.OpZoneOpen, 2*testZone), 0},
		{"open", s.zone(ublk.OpZoneOpen, 3*testZone), 0},
		{"fourth explicit open", s.zone(ublk.OpZoneOpen, 4*testZone), unix.ETOOMANYREFS},
		{"write needs an open slot", s.write(4*testZone, block), unix.ETOOMANYREFS},
		{"write", s.write(testZone, block), 0},
		{"close", s.zone(ublk.OpZoneClose, testZone), 0},
		{"fourth active zone", s.write(4*testZone, block), 0},
		{"close", s.zone(ublk.OpZoneClose, 4*testZone), 0},
		{"fifth active zone", s.write(5*testZone, block), unix.EOVERFLOW},
		{"append to conventional", func() unix.Errno { _, e := s.append(0, block); return e }(), unix.EIO},
		{"reset of conventional", s.zone(ublk.OpZoneReset, 0), unix.EIO},
		{"past the capacity", s.write(testZone+4096, make([]byte, testCap)), unix.EIO},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if n := len(s.disk.lastErrors.list()); n != 7 {
		t.Errorf("%d refusals kept, want 7: %v", n, s.disk.lastErrors.list())
	}
}

// TestParallel lets appends and writes run over all queues and checks that
// every block is where its answer said, across a reopen.
func TestParallel(t *testing.T) {
	o := small()
	o.Size = 16 * testZone
	o.Zone.MaxOpen, o.Zone.MaxActive = 0, 0
	path := newImage(t, o)
	s := newSim(t, path, 2, 32)
	type placed struct {
		off  uint64
		data []byte
	}
	var mu sync.Mutex
	var all []placed
	put := func(off uint64, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, placed{off, data})
	}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			zone := uint64(1+w%8) * testZone
			for k := range 20 {
				data := pattern(uint64(w*100+k), 4096*(1+k%3))
				at, errno := s.append(zone, data)
				if errno == unix.EIO {
					break // full
				}
				if errno != 0 {
					t.Errorf("append: %v", errno)
					return
				}
				put(at, data)
			}
		}()
		wg.Add(1)
		go func() {
			defer wg.Done()
			zone := uint64(9+w%7) * testZone
			if w >= 7 {
				if w%4 == 0 {
					s.flush()
				}
				return
			}
			for k, at := 0, zone; k < 12; k++ {
				data := pattern(uint64(w*1000+k), 16<<10)
				if errno := s.write(at, data); errno != 0 {
					t.Errorf("write: %v", errno)
					return
				}
				put(at, data)
				s.mustRead(at, data)
				at += 16 << 10
			}
		}()
	}
	wg.Wait()
	for _, p := range all {
		s.mustRead(p.off, p.data)
	}
	s.close()
	checkImage(t, path)
	s = newSim(t, path, 1, 4)
	for _, p := range all {
		s.mustRead(p.off, p.data)
	}
	s.close()
}

// TestPlainDisk: an image without zones is an ordinary disk.
func TestPlainDisk(t *testing.T) {
	path := newImage(t, qcow2.CreateOptions{Size: 8 << 20})
	s := newSim(t, path, 2, 8)
	data := pattern(9, 128<<10)
	must(t, "write", s.write(1<<20, data))
	must(t, "overwrite", s.write(1<<20+4096, data[:8192]))
	s.mustRead(1<<20, append(append(append([]byte{}, data[:4096]...), data[:8192]...), data[12288:]...))
	must(t, "discard", s.do(ublk.OpDiscard, 0, 1<<20, 64<<10, nil).errno())
	s.mustRead(1<<20, make([]byte, 64<<10))
	s.mustRead(1<<20+64<<10, data[64<<10:])
	must(t, "write zeroes", s.do(ublk.OpWriteZeroes, 0, 1<<20+64<<10, 4096, nil).errno())
	s.mustRead(1<<20+64<<10, append(make([]byte, 4096), data[68<<10:]...))
	must(t, "flush", s.flush())
	s.close()
	checkImage(t, path)
}
