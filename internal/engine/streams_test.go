// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
)

func TestStreams(t *testing.T) {
	const k = 1 << 10
	for name, c := range map[string]struct{ writes, want []uint64 }{
		"one after the other": {[]uint64{0, 64 * k, 192 * k, 512 * k, 1600 * k}, []uint64{0, 64 * k, 256 * k, 1024 * k, 1024 * k}},
		"in any order":        {[]uint64{0, 640 * k, 1920 * k, 128 * k}, []uint64{0, 0, 0, 0}},
		"in one cluster":      {[]uint64{0, 4 * k, 8 * k}, []uint64{0, 0, 0}},
		"two rows":            {[]uint64{0, 1 << 30, 64 * k, 1<<30 + 64*k}, []uint64{0, 0, 64 * k, 64 * k}},
	} {
		t.Run(name, func(t *testing.T) {
			var l streams
			for i, off := range c.writes {
				if got := l.ahead(off, 4*k, 64*k); got != c.want[i] {
					t.Errorf("write %d at %d KiB: %d KiB ahead, want %d", i, off/k, got/k, c.want[i]/k)
				}
			}
		})
	}
}

// TestC14_RandomWritesTakeTheirOwnSpace: small writes far apart make the file grow
// by a cluster each (and an L2 table where they are the first), not by a MiB.
func TestC14_RandomWritesTakeTheirOwnSpace(t *testing.T) {
	const size, writes, cluster = 64 << 30, 300, 64 << 10
	path := newImage(t, qcow2.CreateOptions{Size: size})
	s := newSim(t, path, 2, 16)
	var all sync.WaitGroup
	for w := range uint64(4) {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(14, w))
			for range writes / 4 {
				if errno := s.write(rng.Uint64N(size/4096)*4096, pattern(w, 4096)); errno != 0 {
					t.Error(errno)
				}
			}
		})
	}
	all.Wait()
	s.close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const tables = size/cluster*8 + 2<<20 // L2 tables of all of the disk; header, L1, refcounts
	if most := int64(writes*cluster + tables); info.Size() > most {
		t.Errorf("%d writes of 4 KiB made a file of %d bytes, more than %d", writes, info.Size(), most)
	}
}

// TestC14_SequentialWritesTakeSpaceInRuns: writes one after the other still cost a
// barrier for each MiB only, not for each cluster.
func TestC14_SequentialWritesTakeSpaceInRuns(t *testing.T) {
	const size = 32 << 20
	mem := storagetest.NewMem(nil)
	if err := qcow2.Create(mem, qcow2.CreateOptions{Size: size}); err != nil {
		t.Fatal(err)
	}
	rec := storagetest.NewRecorder(mem)
	s := newSimIn(t, rec, 2, 16)
	before := rec.Calls(storagetest.OpSync)
	for off := uint64(0); off < size; off += 16 << 10 {
		if errno := s.write(off, pattern(off, 16<<10)); errno != 0 {
			t.Fatal(errno)
		}
	}
	if n := rec.Calls(storagetest.OpSync) - before; n > size>>20+8 {
		t.Errorf("%d MiB took %d barriers", size>>20, n)
	}
	s.close()
}
