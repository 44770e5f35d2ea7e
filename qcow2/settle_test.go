// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// compressedImage has a number of compressed clusters of 4096 bytes.
func compressedImage(t *testing.T, clusters uint64) *storagetest.Mem {
	t.Helper()
	mem := storagetest.NewMem(nil)
	i := create(t, mem, CreateOptions{Size: 1 << 20, ClusterSize: 4096})
	for c := range clusters {
		if err := i.WriteAt(bytes.Repeat([]byte{byte(c + 1)}, 4096), c*4096); err != nil {
			t.Fatal(err)
		}
	}
	table := format.L1Entry(i.l1[0].entry.Load()).Offset()
	for c := range clusters {
		host := i.Lookup(c*4096, 1).Host
		mem.WriteAt(deflated(bytes.Repeat([]byte{byte(c + 1)}, 4096)), int64(host))
		mem.WriteAt(binary.BigEndian.AppendUint64(nil, host|uint64(format.L2Compressed)), int64(table+c*8))
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := check.Check(mem, check.Options{}); err != nil || r.Corruptions+r.Leaks > 0 {
		t.Fatalf("the image made by hand is not sound: %+v, %v", r, err)
	}
	return mem
}

// A daemon is killed, the image is opened again, and the power goes while that
// open frees what has leaked. What it took for leaked was so on the word of the
// page cache: the tables that no longer refer to it were never written.
func TestC04_LeaksAreFreedByWhatTheDiskHas(t *testing.T) {
	mem := compressedImage(t, 16)
	rec := storagetest.NewRecorder(mem)
	i := reopen(t, rec)
	for c := uint64(0); c < 16; c++ {
		if err := i.WriteAt(bytes.Repeat([]byte{7}, 4096), c*4096); err != nil {
			t.Fatal(err)
		}
	}
	killed := rec.Len()
	reopen(t, rec)
	if rec.Len() == killed {
		t.Fatal("the next open did nothing")
	}
	judgeCuts(t, rec, killed)
}

// judgeCuts looks at what power cuts after operation from leave, with one of the
// operations that wait for a sync kept.
func judgeCuts(t *testing.T, rec *storagetest.Recorder, from int) {
	t.Helper()
	for n := from; n <= rec.Len(); n++ {
		for _, keep := range append(rec.Pending(n), -1) {
			s := rec.Crash(n, func(op, _ int) bool { return op == keep })
			r, err := check.Check(s, check.Options{})
			if err != nil || r.Corruptions > 0 {
				t.Fatalf("power cut after operation %d, operation %d kept: %d corruptions, %v", n, keep, r.Corruptions, err)
			}
			if _, err := Open(s, OpenOptions{}); err != nil {
				t.Fatalf("power cut after operation %d, operation %d kept: %v", n, keep, err)
			}
		}
	}
}

// After a sync that failed, memory shows what the disk does not have. The next
// open, the check and a repair go by the disk, and what is flushed from then on is
// there.
func TestC02_WhatAFailedSyncLostIsNotBelieved(t *testing.T) {
	for name, look := range map[string]func(t *testing.T, rec *storagetest.Recorder){
		"open":   func(t *testing.T, rec *storagetest.Recorder) {},
		"check":  func(t *testing.T, rec *storagetest.Recorder) { checked(t, rec, check.RepairNone) },
		"repair": func(t *testing.T, rec *storagetest.Recorder) { checked(t, rec, check.RepairLeaks) },
		"all":    func(t *testing.T, rec *storagetest.Recorder) { checked(t, rec, check.RepairAll) },
	} {
		t.Run(name, func(t *testing.T) {
			for nth := 1; nth <= 6; nth++ {
				for seed := range uint64(8) {
					failBarrier(t, nth, seed, look)
				}
			}
		})
	}
}

func checked(t *testing.T, rec *storagetest.Recorder, mode check.Repair) {
	t.Helper()
	if r, err := check.Check(rec, check.Options{Repair: mode}); err != nil || r.Corruptions > 0 {
		t.Fatalf("check: %+v, %v", r, err)
	}
}

func failBarrier(t *testing.T, nth int, seed uint64, look func(*testing.T, *storagetest.Recorder)) {
	t.Helper()
	mem := storagetest.NewMem(nil)
	create(t, mem, CreateOptions{Size: 1 << 20, ClusterSize: 4096})
	rec := storagetest.NewRecorder(mem)
	rec.Lose(storagetest.Shuffled(seed))
	i := reopen(t, rec)
	rec.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: nth, Err: unix.EIO})
	for c := uint64(0); c < 100 && i.Failed() == nil; c++ {
		i.WriteAt(bytes.Repeat([]byte{1}, 4096), c*7%256*4096)
	}
	if i.Failed() == nil {
		i.Sync()
	}
	i.Close()
	rec.Heal()
	look(t, rec)
	i = reopen(t, rec)
	two := bytes.Repeat([]byte{2}, 4096)
	for c := uint64(0); c < 256; c += 3 {
		if err := i.WriteAt(two, c*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Sync(); err != nil {
		t.Fatal(err)
	}
	i = reopen(t, rec.Crash(rec.Len(), storagetest.None))
	got := make([]byte, 4096)
	for c := uint64(0); c < 256; c += 3 {
		if err := i.ReadAt(got, c*4096); err != nil || !bytes.Equal(got, two) {
			t.Fatalf("sync %d failed, seed %d: cluster %d, flushed after that, is gone: %#x, %v", nth, seed, c, got[0], err)
		}
	}
}

// Nothing is opened for writing, checked or repaired while what was written before
// can't be made durable.
func TestC02_UnsettledIsRefused(t *testing.T) {
	for name, use := range map[string]func(rec *storagetest.Recorder) error{
		"open":  func(rec *storagetest.Recorder) error { _, err := Open(rec, OpenOptions{}); return err },
		"check": func(rec *storagetest.Recorder) error { _, err := check.Check(rec, check.Options{}); return err },
		"amend": func(rec *storagetest.Recorder) error { _, err := Amend(rec, AmendOptions{Revision: "v6"}); return err },
	} {
		rec := storagetest.NewRecorder(storagetest.NewMem(nil))
		if err := Create(rec, CreateOptions{Size: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		rec.WriteAt([]byte("not written back yet"), 1<<20)
		rec.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: 1, Err: unix.EIO})
		before := rec.Len()
		if err := use(rec); !errors.Is(err, storage.ErrUnsettled) || !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", name, err)
		}
		if n := rec.Len() - before; n != 1 {
			t.Errorf("%s: %d operations, want only the sync", name, n)
		}
	}
}
