// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// mustFreeLeaks opens an image for writing and closes it: nothing is leaked then.
func mustFreeLeaks(t *testing.T, f storage.File) {
	t.Helper()
	if err := reopen(t, f).Close(); err != nil {
		t.Fatal(err)
	}
	qcow2test.MustBeSound(t, f, true)
}

// An amend that finds no room, at whatever operation, gives back what it took, or
// leaves the image dirty, so that the next open for writing does. It holds the same.
func TestC10_AmendWithoutRoom(t *testing.T) {
	for name, o := range amendImages() {
		for _, stuck := range []bool{false, true} {
			m := newAmendImage(t, o)
			_, want := contentsOf(t, m)
			for nth := 1; ; nth++ {
				rec := storagetest.NewRecorder(m.Clone())
				rec.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: nth, Err: unix.ENOSPC, Moved: 8 * (nth % 2), Stuck: stuck})
				_, err := Amend(rec, AmendOptions{Revision: "v14"})
				if err == nil {
					if nth < 4 {
						t.Errorf("%s: write %d failed, and nobody says so", name, nth)
					}
					break
				}
				rec.Heal()
				mustNameRoom(t, err)
				if r := qcow2test.MustCheck(t, rec, check.Options{}); r.Corruptions > 0 || r.Leaks > 0 && !r.Dirty {
					t.Errorf("%s, write %d failed: not dirty, and\n%s", name, nth, qcow2test.Text(r))
				}
				mustFreeLeaks(t, rec)
				if _, got := contentsOf(t, rec); cmp.Diff(want, got) != "" {
					t.Errorf("%s, write %d failed: %s", name, nth, cmp.Diff(want, got))
				}
			}
		}
	}
}

func mustNameRoom(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v has lost its errno", err)
	}
}

// Killed at any operation, with the page cache kept or lost, an amend leaves
// nothing that the next open for writing does not free.
func TestC35_AmendKilled(t *testing.T) {
	for name, o := range amendImages() {
		rec := storagetest.NewRecorder(newAmendImage(t, o))
		if _, err := Amend(rec, AmendOptions{Revision: "v14"}); err != nil {
			t.Fatal(err)
		}
		for n := range rec.Len() + 1 {
			for seed := range uint64(6) {
				survives := storagetest.Shuffled(seed)
				if seed == 0 {
					survives = storagetest.All
				}
				m := rec.Crash(n, survives)
				if r := qcow2test.MustCheck(t, m, check.Options{}); r.Leaks > 0 && !r.Dirty {
					t.Fatalf("%s: killed after %d of %d operations: not dirty, and\n%s", name, n, rec.Len(), qcow2test.Text(r))
				}
				mustFreeLeaks(t, m)
			}
		}
	}
}

// Where a refcount is too low, or metadata is damaged in another way, amend takes
// no cluster, says why, and what to do.
func TestC34_AmendLooksFirst(t *testing.T) {
	for name, spoil := range map[string]func(i *Image) error{
		"data": func(i *Image) error {
			return i.refs.drop(run{i.Lookup(i.zones.ZoneStart(i.zones.Conventional+1), 1).Host >> i.geo.ClusterBits, 1})
		},
		"L1 table": func(i *Image) error {
			return i.refs.drop(run{i.header.L1TableOffset >> i.geo.ClusterBits, 1})
		},
		"copied flag": func(i *Image) error {
			e := format.L1Entry(i.l1[0].entry.Load())
			return i.writeMeta(format.KindL1, binary.BigEndian.AppendUint64(nil, uint64(e)^format.CopiedFlag), i.header.L1TableOffset)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newAmendImage(t, amendImages()["clusters of 4K"])
			i := reopen(t, m)
			if err := errors.Join(spoil(i), i.Close()); err != nil {
				t.Fatal(err)
			}
			_, want := contentsOf(t, m)
			_, err := Amend(m, AmendOptions{Revision: "v14"})
			mustSay(t, err, format.ErrCorrupt, "`zqublkd check --repair all`")
			info, got := contentsOf(t, m)
			if info.Revision != "v6" || cmp.Diff(want, got) != "" {
				t.Errorf("layout %s, %s", info.Revision, cmp.Diff(want, got))
			}
			qcow2test.MustCheck(t, m, check.Options{Repair: check.RepairAll})
			if _, err := Amend(m, AmendOptions{Revision: "v14"}); err != nil {
				t.Errorf("after the repair: %v", err)
			}
			if _, got := contentsOf(t, m); cmp.Diff(want, got) != "" {
				t.Error(cmp.Diff(want, got))
			}
			qcow2test.MustBeSound(t, m, true)
		})
	}
}
