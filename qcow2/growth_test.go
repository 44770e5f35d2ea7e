// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"sync"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/qcow2test"
)

// create makes an image in memory and opens it.
func create(t testing.TB, f storage.File, o CreateOptions) *Image {
	t.Helper()
	if err := Create(f, o); err != nil {
		t.Fatal(err)
	}
	return reopen(t, f)
}

func reopen(t testing.TB, f storage.File) *Image {
	t.Helper()
	i, err := Open(f, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Refcount blocks of 64 refcounts and a refcount table of 64 blocks are soon
// full: both grow, and a crash at any time leaves a sound image in which
// everything synced is still there.
func TestCrashWhileRefcountsGrow(t *testing.T) {
	mem := new(storagetest.Mem)
	create(t, mem, CreateOptions{Size: 3 << 20, ClusterSize: 512, RefcountBits: 64})
	f := storagetest.NewRecorder(mem)
	i := reopen(t, f)
	before := len(i.refs.table)
	synced := growAll(t, f, i)
	if len(i.refs.table) <= before {
		t.Errorf("the refcount table has %d entries and had %d: nothing grew", len(i.refs.table), before)
	}
	for n, op := range f.Ops() {
		if op.Kind != storagetest.OpSync { // just before one, most can be lost
			continue
		}
		for seed := range uint64(6) {
			left := f.Crash(n, storagetest.Shuffled(seed))
			qcow2test.MustBeSound(t, left, false)
			mustBePattern(t, left, synced[n])
		}
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	qcow2test.MustBeSound(t, f, true)
	mustBePattern(t, f, i.size)
}

// growAll fills the disk, and says for each operation on the file how many bytes
// were synced before it.
func growAll(t *testing.T, f *storagetest.Recorder, i *Image) []uint64 {
	var synced []uint64
	const step = 384 << 10
	for off := uint64(0); off < i.size; off += step {
		if err := i.WriteAt(patternPrefix()[off:off+step], off); err != nil {
			t.Fatal(err)
		}
		if err := i.Sync(); err != nil {
			t.Fatal(err)
		}
		for len(synced) < f.Len() {
			synced = append(synced, off)
		}
	}
	return synced
}

// patternPrefix is what qcow2test.Pattern(0, n) is often asked for.
var patternPrefix = sync.OnceValue(func() []byte { return qcow2test.Pattern(0, 4<<20) })

func mustBePattern(t testing.TB, f storage.File, n uint64) {
	t.Helper()
	i, err := Open(f, OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	if err := i.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, patternPrefix()[:n]) {
		t.Fatalf("the first %d bytes are not what was synced", n)
	}
}
