// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// volatileDisk is a disk of an image whose power cuts take what no flush has covered.
func volatileDisk(t *testing.T, o qcow2.CreateOptions) (*sim, *storagetest.Mem) {
	mem := created(t, o)
	d, err := openDiskIn(mem, DiskOptions{Volatile: true, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	return simDisk(t, d, 2, 8), mem
}

// TestVolatile: each sector of a conventional zone or a plain disk is what it was, or what
// was written since the last flush, as the seed has it; what a flush or FUA has covered stays.
func TestVolatile(t *testing.T) {
	const n, part = 32 << 10, 8 << 10
	conventional := small()
	conventional.Zone.Conventional = 1
	for name, o := range map[string]qcow2.CreateOptions{"plain": {Size: 8 << 20, ClusterSize: 4096}, "conventional": conventional} {
		t.Run(name, func(t *testing.T) {
			run := func(c Cut) []byte {
				s, mem := volatileDisk(t, o)
				must(t, "write", s.write(0, bytes.Repeat([]byte{1}, n)))
				must(t, "flush", s.flush())
				must(t, "write", s.write(0, bytes.Repeat([]byte{2}, n)))
				must(t, "FUA", s.do(ublk.OpWrite, ublk.FlagFUA, n, part, bytes.Repeat([]byte{3}, part)).errno())
				must(t, "write", s.write(part, bytes.Repeat([]byte{4}, n)))
				must(t, "write", s.write(part, bytes.Repeat([]byte{5}, part)))
				if name == "plain" {
					must(t, "zero", s.do(ublk.OpWriteZeroes, 0, 2*n, part, nil).errno())
					must(t, "write", s.write(2*n, bytes.Repeat([]byte{6}, part)))
				}
				if err := s.cut(c); err != nil {
					t.Fatal(err)
				}
				if err := s.shut(); err != nil {
					t.Fatal(err)
				}
				next := newSimIn(t, mem, 1, 4)
				defer next.close()
				got, errno := next.read(0, 3*n)
				must(t, "read", errno)
				return bytes.Clone(got)
			}
			lost := run(Cut{Lose: true})
			want := append(bytes.Repeat([]byte{2}, n), bytes.Repeat([]byte{3}, part)...)
			if !bytes.Equal(lost, append(want, make([]byte, 2*n-part)...)) {
				t.Errorf("lost: % x", firstOfSectors(lost))
			}
			seen := map[byte]int{}
			got := run(Cut{Seed: 7})
			if !bytes.Equal(got, run(Cut{Seed: 7})) {
				t.Error("the same seed leaves something else")
			}
			for k, b := range firstOfSectors(got) {
				seen[b]++
				at, old, now := k*512, byte(2), byte(4)
				switch {
				case at < part:
					old, now = 2, 2
				case at < 2*part:
					now = 5
				case at < n:
				case at < n+part:
					old = 3
				case name == "plain" && at >= 2*n && at < 2*n+part:
					old, now = 0, 6
				default:
					old, now = 0, 0
				}
				if b != old && b != now {
					t.Errorf("sector %d is %d, neither %d nor %d", k, b, old, now)
				}
			}
			if seen[4] == 0 || seen[5] == 0 || seen[3] == 0 || seen[2] <= part/512 {
				t.Errorf("not both old and new: %v", seen)
			}
		})
	}
}

// TestVolatileFull: who finds the cache full has it flushed, and is in it himself then;
// what is larger than the cache comes piece by piece.
func TestVolatileFull(t *testing.T) {
	s, mem := volatileDisk(t, qcow2.CreateOptions{Size: 80 << 20, ClusterSize: 64 << 10})
	end := uint64(0)
	for ; end <= formerPages*formerBytes; end += simMaxIO {
		must(t, "write", s.write(end, bytes.Repeat([]byte{1}, simMaxIO)))
	}
	if err := s.cut(Cut{Lose: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.shut(); err != nil {
		t.Fatal(err)
	}
	next := newSimIn(t, mem, 1, 4)
	defer next.close()
	for off, want := range map[uint64]byte{0: 1, end - 2*simMaxIO: 1, end - simMaxIO: 0} {
		got, errno := next.read(off, simMaxIO)
		must(t, "read", errno)
		if !bytes.Equal(got, bytes.Repeat([]byte{want}, simMaxIO)) {
			t.Errorf("at %d is %d, not %d everywhere", off, got[0], want)
		}
	}
}

func firstOfSectors(b []byte) (list []byte) {
	for k := 0; k < len(b); k += 512 {
		list = append(list, b[k])
	}
	return list
}

// TestVolatileZeros: a range larger than the cache is kept piece by piece.
func TestVolatileZeros(t *testing.T) {
	s, mem := volatileDisk(t, qcow2.CreateOptions{Size: 80 << 20, ClusterSize: 64 << 10})
	const first, n = 512, 72 << 20
	must(t, "write", s.write(0, bytes.Repeat([]byte{1}, simMaxIO)))
	must(t, "write", s.write(n, bytes.Repeat([]byte{1}, simMaxIO)))
	must(t, "flush", s.flush())
	must(t, "zero", s.do(ublk.OpWriteZeroes, 0, first, n, nil).errno())
	if k := len(s.disk.volatile.now); k == 0 || k > formerPages+formerPiece/formerBytes {
		t.Errorf("%d pages are kept", k)
	}
	if err := s.cut(Cut{Lose: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.shut(); err != nil {
		t.Fatal(err)
	}
	next := newSimIn(t, mem, 1, 4)
	defer next.close()
	next.mustRead(0, append(bytes.Repeat([]byte{1}, first), make([]byte, simMaxIO-first)...)) // flushed on the way
	next.mustRead(n, bytes.Repeat([]byte{1}, simMaxIO))                                       // lost
}
