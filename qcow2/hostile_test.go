// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"testing"

	"zqublkd/internal/heaptest"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// hostileHeader writes the header of an image of clusters of 1<<bits bytes: the
// refcount table at cluster 1 with its one block at cluster 2, the L1 table,
// l1 entries long, at cluster 3.
func hostileHeader(t testing.TB, m storage.File, h format.Header) {
	t.Helper()
	size := uint64(1) << h.ClusterBits
	h.Version, h.RefcountTableOffset, h.RefcountTableClusters = 3, size, max(h.RefcountTableClusters, 1)
	if h.L1TableOffset == 0 {
		h.L1TableOffset = 3 * size
	}
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, 0, b)
	putWords(t, m, size, 2*size)
}

func put(t testing.TB, m storage.File, at uint64, b []byte) {
	t.Helper()
	if _, err := m.WriteAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
}

func putWords(t testing.TB, m storage.File, at uint64, words ...uint64) {
	t.Helper()
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	put(t, m, at, b)
}

// sparseFile is an empty file in the file system.
func sparseFile(t testing.TB) storage.File {
	t.Helper()
	f, err := storage.Create(t.TempDir()+"/image", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func repeated(n int, word uint64) []uint64 {
	words := make([]uint64, n)
	for k := range words {
		words[k] = word
	}
	return words
}

// Snapshots that all share an L1 table: it is read once, and what it refers to
// counts as often as there are snapshots.
func TestC36_SnapshotsSharingAnL1Table(t *testing.T) {
	const size, snapshots, entries = 64 << 10, 60000, 1 << 18
	f := sparseFile(t)
	l1, list := uint64(1<<20), uint64(4<<20)
	hostileHeader(t, f, format.Header{ClusterBits: 16, RefcountOrder: 4, Size: 1 << 30, L1Size: 2, SnapshotCount: snapshots, SnapshotsOffset: list})
	putWords(t, f, l1, repeated(entries, 3*size|1<<63)...)
	entry := make([]byte, format.SnapshotFixed+format.SnapshotExtra)
	binary.BigEndian.PutUint64(entry, l1)
	binary.BigEndian.PutUint32(entry[8:], entries)
	binary.BigEndian.PutUint32(entry[36:], format.SnapshotExtra)
	var table []byte
	for range snapshots {
		table = append(table, entry...)
	}
	put(t, f, list, table)
	heaptest.Bounded(t, 4<<20, func() {
		if r, err := check.Check(f, check.Options{}); err != nil || r.Corruptions == 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := Open(f, OpenOptions{}); !format.IsCorrupt(err) {
			t.Errorf("opened for writing: %v", err)
		}
	})
}

// Each entry of an L2 table may refer to another end of a sparse file.
func TestC36_DataFarApart(t *testing.T) {
	const tables, size = 1024, 512
	f := sparseFile(t)
	hostileHeader(t, f, format.Header{ClusterBits: 9, RefcountOrder: 4, Size: tables * 32 << 10, L1Size: tables})
	for k := range uint64(tables) {
		at := uint64(1<<20) + k*size
		putWords(t, f, 3*size+k*8, at|1<<63)
		words := make([]uint64, size/8)
		for e := range words { // 1 MiB apart, in no order
			words[e] = (1<<10+(uint64(e)*tables+k*331%tables)%(1<<20))<<20 | 1<<63
		}
		putWords(t, f, at, words...)
	}
	if err := f.Truncate(1 << 38); err != nil {
		t.Fatal(err)
	}
	heaptest.Bounded(t, 1<<20, func() {
		if r, err := check.Check(f, check.Options{}); err != nil || len(r.Findings) > 1000 || r.Corruptions < 60000 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A block of 1-bit refcounts counts half a million clusters in 64 KiB.
func TestC39_OneBitRefcounts(t *testing.T) {
	const size, blocks = 64 << 10, 128
	f := sparseFile(t)
	hostileHeader(t, f, format.Header{ClusterBits: 16, RefcountOrder: 0, Size: 1 << 30, L1Size: 2, Incompatible: format.IncompatDirty})
	ones := make([]byte, size)
	for k := range ones {
		ones[k] = 0xff
	}
	for k := range uint64(blocks) {
		at := (4 + k) * size
		put(t, f, at, ones)
		putWords(t, f, size+8*k, at)
	}
	if err := f.Truncate(1 << 42); err != nil {
		t.Fatal(err)
	}
	heaptest.Bounded(t, blocks*size, func() {
		i, err := Open(f, OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
}

// All L1 entries may refer to one L2 table: what is kept of it in memory is no
// more than the file has.
func TestC39_TablesInMemory(t *testing.T) {
	const size, entries = 64 << 10, 3000
	f := sparseFile(t)
	hostileHeader(t, f, format.Header{ClusterBits: 16, RefcountOrder: 4, Size: entries * size / 8 * size, L1Size: entries})
	putWords(t, f, 3*size, repeated(entries, 8*size|1<<63)...)
	putWords(t, f, 8*size, repeated(size/8, 9*size|1<<63)...)
	putWords(t, f, 9*size, 1)
	peak := heaptest.Peak(func() {
		i, err := Open(f, OpenOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		for k := range uint64(entries) {
			if err := i.Resolve(k*size/8*size, 1); err != nil {
				t.Fatal(err)
			}
		}
	})
	if peak > 16<<20 {
		t.Errorf("%d MiB for a file with one L2 table", peak>>20)
	}
}

// Map tells runs as it finds them, and takes no memory for them.
func TestC36_MapOfSharedTables(t *testing.T) {
	const size, entries, enough = 512, 57344, 1 << 21
	f := sparseFile(t)
	hostileHeader(t, f, format.Header{ClusterBits: 9, RefcountOrder: 4, Size: entries * size / 8 * size, L1Size: entries})
	at := uint64(1 << 20)
	putWords(t, f, 3*size, repeated(entries, at|1<<63)...)
	words := make([]uint64, size/8)
	for k := range words { // standard, zero, compressed
		words[k] = []uint64{at + size | 1<<63, 1, at + size | 1<<62}[k%3]
	}
	putWords(t, f, at, words...)
	putWords(t, f, at+size, repeated(size/8, 1)...)
	done, runs := errors.New("done"), 0
	heaptest.Bounded(t, 1<<20, func() {
		i, err := Open(f, OpenOptions{ReadOnly: true})
		if err == nil {
			err = i.Map(func(Mapped) error {
				if runs++; runs == enough {
					return done
				}
				return nil
			})
		}
		if err != done {
			t.Error(err, runs)
		}
	})
}

// A refcount table may refer to blocks that are holes of a file, whose refcounts
// are all zero.
func TestC39_SparseRefcountBlocks(t *testing.T) {
	const size, blocks = 2 << 20, 1 << 18
	f := sparseFile(t)
	hostileHeader(t, f, format.Header{ClusterBits: 21, RefcountOrder: 4, Size: 1 << 30, L1Size: 1})
	words := make([]uint64, blocks)
	for k := range words {
		words[k] = (4 + uint64(k)) * size
	}
	putWords(t, f, size, words...)
	if err := f.Truncate((4 + blocks) * size); err != nil {
		t.Fatal(err)
	}
	heaptest.Bounded(t, 8*blocks, func() {
		i, err := Open(f, OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if i.refs.tail != 0 {
			t.Errorf("clusters up to %d are in use", i.refs.tail)
		}
	})
}

// What is last in a block of refcounts, of any width, is found.
func TestRefcountsUsed(t *testing.T) {
	for order := uint(0); order <= 6; order++ {
		b := format.RefcountBlock{Order: order, Data: make([]byte, 4096)}
		if n := b.Used(); n != 0 {
			t.Errorf("order %d: %d used of none", order, n)
		}
		for _, k := range []uint64{0, 1, 2, 9, 63, b.Len() / 2, b.Len() - 1} {
			b.Set(k, 1)
			if n := b.Used(); n != k+1 {
				t.Errorf("order %d: %d used up to %d", order, n, k)
			}
		}
	}
}
