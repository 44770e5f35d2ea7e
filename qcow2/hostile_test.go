package qcow2

import (
	"encoding/binary"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"zqublkd/internal/storage"
)

// What an image may take beyond what the size of its file justifies: memory, and
// time for all that is done with it.
const (
	hostileHeap = 64 << 20
	hostileTime = 10 * time.Second
)

// peakHeap calls f and returns how far the heap grew meanwhile, in bytes, what
// is garbage counted in as little as the collector can.
func peakHeap(t testing.TB, f func()) int64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	before, peak := heap(), int64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				peak = max(peak, heap()-before)
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return max(peak, heap()-before)
}

// bounded fails the test if f takes more of time or memory than a file with so
// many bytes stored may.
func bounded(t *testing.T, stored int64, f func()) {
	t.Helper()
	began := time.Now()
	peak := peakHeap(t, f)
	if took := time.Since(began); took > hostileTime {
		t.Errorf("took %v", took)
	}
	if peak > hostileHeap+4*stored {
		t.Errorf("the heap grew by %d MiB, for a file of %d KiB", peak>>20, stored>>10)
	}
}

// hostileHeader writes the header of an image of clusters of 1<<bits bytes: the
// refcount table at cluster 1 with its one block at cluster 2, the L1 table,
// l1 entries long, at cluster 3.
func hostileHeader(t testing.TB, m storage.File, h Header) {
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
	hostileHeader(t, f, Header{ClusterBits: 16, RefcountOrder: 4, Size: 1 << 30, L1Size: 2, SnapshotCount: snapshots, SnapshotsOffset: list})
	putWords(t, f, l1, repeated(entries, 3*size|1<<63)...)
	entry := make([]byte, snapshotFixed+snapshotExtra)
	binary.BigEndian.PutUint64(entry, l1)
	binary.BigEndian.PutUint32(entry[8:], entries)
	binary.BigEndian.PutUint32(entry[36:], snapshotExtra)
	var table []byte
	for range snapshots {
		table = append(table, entry...)
	}
	put(t, f, list, table)
	bounded(t, 4<<20, func() {
		if r, err := Check(f, CheckOptions{}); err != nil || r.Corruptions == 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := Open(f, OpenOptions{}); !isCorrupt(err) {
			t.Errorf("opened for writing: %v", err)
		}
	})
}

// Each entry of an L2 table may refer to another end of a sparse file.
func TestC36_DataFarApart(t *testing.T) {
	const tables, size = 1024, 512
	f := sparseFile(t)
	hostileHeader(t, f, Header{ClusterBits: 9, RefcountOrder: 4, Size: tables * 32 << 10, L1Size: tables})
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
	bounded(t, 1<<20, func() {
		if r, err := Check(f, CheckOptions{}); err != nil || len(r.Findings) > defaultMaxFindings || r.Corruptions < 60000 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A block of 1-bit refcounts counts half a million clusters in 64 KiB.
func TestC39_OneBitRefcounts(t *testing.T) {
	const size, blocks = 64 << 10, 128
	f := sparseFile(t)
	hostileHeader(t, f, Header{ClusterBits: 16, RefcountOrder: 0, Size: 1 << 30, L1Size: 2, Incompatible: IncompatDirty})
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
	bounded(t, blocks*size, func() {
		i, err := Open(f, OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
}
