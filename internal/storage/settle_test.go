// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

// settleable is a file of 5 MiB and a bit, all of it in the page cache.
func settleable(t *testing.T) (*OSFile, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	data := bytes.Repeat([]byte("settle! "), 5<<17+99)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, data
}

func TestSettleEmptiesThePageCache(t *testing.T) {
	f, data := settleable(t)
	if f.inMemory() {
		t.Skip("the pages of a file in memory are its disk")
	}
	if left, err := f.cached(cachedPiece); err != nil || len(left) < 5 {
		t.Fatalf("before: %v, %v", left, err)
	}
	if err := f.Settle(); err != nil {
		t.Fatal(err)
	}
	if left, err := f.cached(cachedPiece); err != nil || len(left) > 0 {
		t.Errorf("after: %v, %v", left, err)
	}
	got := make([]byte, len(data))
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("contents changed: %v", err)
	}
}

// Pages that another program has mapped stay; what they hold is compared with the
// disk.
func TestSettleComparesWhatStays(t *testing.T) {
	f, data := settleable(t)
	if f.inMemory() {
		t.Skip("the pages of a file in memory are its disk")
	}
	m, err := unix.Mmap(f.fd, 0, 1<<20, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	if err := f.Settle(); err != nil {
		t.Fatalf("mapped pages that are as the disk: %v", err)
	}
	left, err := f.cached(cachedPiece)
	if err != nil || len(left) == 0 {
		t.Fatalf("mapped pages: %v, %v", left, err)
	}
	other, err := os.Open(f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := f.compareWith(int(other.Fd()), left); err != nil {
		t.Errorf("the file itself: %v", err)
	}
	data[1<<19]++
	if err := os.WriteFile(f.path+"2", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err = os.Open(f.path + "2"); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := f.compareWith(int(other.Fd()), left); err == nil {
		t.Error("a disk that has something else passes")
	}
}

func TestSettleOfDamage(t *testing.T) {
	f, _ := settleable(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Settle(); !errors.Is(err, ErrUnsettled) || !errors.Is(err, unix.EBADF) {
		t.Errorf("settle of a closed file: %v", err)
	}
}

// A file that can only be read is settled as well: it is what a check opens.
func TestSettleReadOnly(t *testing.T) {
	f, _ := settleable(t)
	r, err := Open(f.path, Options{ReadOnly: true, NoLock: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Settle(); err != nil {
		t.Error(err)
	}
}

// Of a file system without direct I/O nobody can tell what its disk has: that is
// an error where it matters most.
func TestSettleCompares(t *testing.T) {
	f, data := settleable(t)
	if f.inMemory() {
		t.Skip("the pages of a file in memory are its disk")
	}
	f.compare = CompareAlways
	list, err := f.cached(comparedPiece)
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for _, p := range list {
		if p.off != end || p.n > cachedPiece {
			t.Fatalf("pieces %v", list)
		}
		end += p.n
	}
	if len(list) > 6 || end < int64(len(data)) {
		t.Errorf("pieces %v of %d bytes", list, len(data))
	}
	if err := f.Settle(); err != nil {
		t.Error(err)
	}
	needs.Root(t, "to mount")
	dir := t.TempDir()
	if err := unix.Mount("ramfs", dir, "ramfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := os.WriteFile(filepath.Join(dir, "f"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	for compare, want := range map[Compare]error{CompareNot: nil, ComparePossible: nil, CompareAlways: errNoDirect} {
		f, err := Open(filepath.Join(dir, "f"), Options{Compare: compare})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.compareCached(); !errors.Is(err, want) {
			t.Errorf("compare %d: %v", compare, err)
		}
		f.Close()
	}
}
