// SPDX-License-Identifier: Apache-2.0

package storage_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
)

// aligned is a file with direct I/O that moves blocks of the given size only: a
// disk of larger sectors than the one below it.
type aligned struct {
	*storage.OSFile
	block int
}

func (a aligned) DirectAlign() int { return a.block }

func openDirectHere(t *testing.T, size int64) *storage.OSFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	f, err := storage.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	if f, err = storage.Open(path, storage.Options{Direct: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestC01_WayIsOneForAllData: where a page would hold what goes both ways, or a
// request is smaller than direct I/O can do, all goes through the page cache.
func TestC01_WayIsOneForAllData(t *testing.T) {
	f := openDirectHere(t, 1<<20)
	if f.DirectFd() < 0 {
		t.Skip("no direct I/O in the temporary folder")
	}
	for _, c := range []struct {
		grain  storage.Grain
		align  int
		direct bool
	}{
		{storage.Grain{Meta: 65536, Data: 512}, 512, true},
		{storage.Grain{Meta: 4096, Data: 4096}, 4096, true},
		{storage.Grain{Meta: 2048, Data: 512}, 512, false},          // a page holds two clusters
		{storage.Grain{Meta: 512, Data: 512}, 512, false},           // or eight
		{storage.Grain{Meta: 65536, Data: 512}, 4096, false},        // requests of 512 bytes to a disk of 4096
		{storage.Grain{Meta: storage.Apart, Data: 512}, 512, true},  // an external data file
		{storage.Grain{Meta: storage.Apart, Data: 256}, 512, false}, // which ends within a block
	} {
		w := storage.NewWay(aligned{f, c.align}, c.grain)
		if w.Direct() != c.direct || (w.Why() == "") != c.direct {
			t.Errorf("%+v with alignment %d: direct %v, why %q", c.grain, c.align, w.Direct(), w.Why())
		}
		if want := map[bool]int{true: f.DirectFd(), false: f.Fd()}[c.direct]; w.Fd() != want {
			t.Errorf("%+v: descriptor %d, want %d", c.grain, w.Fd(), want)
		}
	}
	if w := storage.NewWay(new(storagetest.Mem), storage.Grain{Meta: 65536, Data: 4096}); w.Direct() || w.Fd() != -1 {
		t.Error("memory has no descriptor")
	}
}

// TestWayMovesAnything: whatever the alignment of place, length and memory, the
// bytes are those of a file without any, and nothing comes into the page cache.
func TestWayMovesAnything(t *testing.T) {
	const size = 2 << 20
	f := openDirectHere(t, size-1000) // ends within a block
	if f.DirectFd() < 0 {
		t.Skip("no direct I/O in the temporary folder")
	}
	w := storage.NewWay(aligned{f, 4096}, storage.Grain{Meta: 65536, Data: 4096})
	if !w.Direct() {
		t.Fatal(w.Why())
	}
	want := storagetest.NewMem(make([]byte, size-1000))
	rng := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 600<<10)
	for range 300 {
		n := 1 + rng.IntN(9000)
		if rng.IntN(8) == 0 {
			n = 1 + rng.IntN(len(buf)/2)
		}
		off, skew := rng.Int64N(size-1000-int64(min(n, size/4))), rng.IntN(5000)
		n = min(n, int(size-1000-off))
		p := buf[skew : skew+n]
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		if got, err := w.WriteAt(p, off); got != n || err != nil {
			t.Fatalf("write of %d bytes at %d: %d, %v", n, off, got, err)
		}
		want.WriteAt(p, off)
		off, n = rng.Int64N(size+5000), 1+rng.IntN(n+5000)
		a, b := make([]byte, n+skew)[skew:], make([]byte, n)
		na, ea := w.ReadAt(a, off)
		nb, eb := want.ReadAt(b, off)
		// The last block is written whole: the file may have grown by its rest.
		if na < nb || ea != nil && ea != io.EOF || eb == nil && ea != nil || !bytes.Equal(a[:nb], b[:nb]) {
			t.Fatalf("read of %d bytes at %d: %d, %v; want %d, %v", n, off, na, ea, nb, eb)
		}
	}
}
