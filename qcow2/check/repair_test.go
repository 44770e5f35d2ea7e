// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func TestRepairLeaks(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairLeaks})
			wantLeaks := uint64(0)
			if c.leaksStay {
				wantLeaks = c.leaks
			}
			if r.Leaks != wantLeaks || r.LeaksFixed != c.leaks-wantLeaks {
				t.Errorf("want %d leaks:\n%s", wantLeaks, qcow2test.Text(r))
			}
			if wantLeaks > 0 && !strings.Contains(qcow2test.Text(r), "left alone") {
				t.Errorf("no word about the leaks left:\n%s", qcow2test.Text(r))
			}
			sameAsCheck(t, im, r)
		})
	}
}

func TestRepairAll(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
			if r.Corruptions != c.left || r.Leaks != c.leftLeaks {
				t.Errorf("want %d corruptions and %d leaks left:\n%s", c.left, c.leftLeaks, qcow2test.Text(r))
			}
			sameAsCheck(t, im, r)
			if c.left == 0 && c.leftLeaks == 0 {
				mapsStill(t, im, qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4}), c)
			}
		})
	}
}

// sameAsCheck: a report after repair is what a fresh look finds.
func sameAsCheck(t *testing.T, f storage.File, r *check.Report) {
	t.Helper()
	fresh := qcow2test.MustCheck(t, f, check.Options{})
	if fresh.Corruptions != r.Corruptions || fresh.Leaks != r.Leaks {
		t.Errorf("repair says:\n%s\na fresh check:\n%s", qcow2test.Text(r), qcow2test.Text(fresh))
	}
}

// mapsStill: repair of refcounts, flags and reserved bits leaves the map as it was.
func mapsStill(t *testing.T, got, was *qcow2test.Image, c checkCase) {
	c.spoil(was)
	for i := range uint64(7) {
		if g, w := got.Entry(i)&^format.CopiedFlag, was.Entry(i)&^(format.CopiedFlag|1<<60); g != w {
			t.Errorf("entry %d is %#x and was %#x", i, g, w)
		}
	}
}

func TestRepairOfEveryShape(t *testing.T) {
	for name, o := range qcow2test.Shapes {
		t.Run(name, func(t *testing.T) {
			if o.Order == 0 {
				o.Order = 1 // the image has clusters with two references
			}
			im := qcow2test.NewImage(t, o)
			im.Put(im.H.RefcountTableOffset, 0)
			im.Put(im.EntryAt(0), im.Entry(0)^format.CopiedFlag)
			r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
			if !r.Clean() || r.CorruptionsFixed == 0 {
				t.Error(qcow2test.Text(r))
			}
		})
	}
}

func TestRepairRefusesRefcountsTooWide(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 0})
	if r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll}); r.Corruptions != 1 {
		t.Errorf("two references with refcounts of one bit:\n%s", qcow2test.Text(r))
	}
	im.Put(im.H.RefcountTableOffset, 0)
	if _, err := check.Check(im, check.Options{Repair: check.RepairAll}); !errors.Is(err, check.ErrCheck) || !strings.Contains(err.Error(), "more than a refcount of 1 bits holds") {
		t.Error(err)
	}
}

func TestRepairKeepsWhatDamageMayHide(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.Put(im.L1, 1<<40)                           // the L2 table is lost, its data must not be
	im.Put(im.H.RefcountTableOffset+8, 1<<50)      // and new refcount structures are needed
	im.Put(im.H.RefcountTableOffset+16, 1<<50)     //
	lost := append([]uint64{im.L2[0]}, im.Data...) //
	r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
	table := binary.BigEndian.Uint64(readAt(t, im, format.RefTableField, 8))
	block := im.Get(table)
	if table == im.H.RefcountTableOffset || block == im.RefBlock {
		t.Fatalf("no new structures:\n%s", qcow2test.Text(r))
	}
	for _, off := range lost {
		if n := im.RefcountBlock(block).Get(off >> im.G.ClusterBits); n != 1 {
			t.Errorf("cluster at %#x got refcount %d", off, n)
		}
	}
	if !strings.Contains(qcow2test.Text(r), "left alone") {
		t.Error(qcow2test.Text(r))
	}
}

func readAt(t *testing.T, f storage.File, off int64, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRepairClearsMarks(t *testing.T) {
	const marks = format.IncompatDirty | format.IncompatCorrupt
	cases := []struct {
		name  string
		mode  check.Repair
		spoil func(im *qcow2test.Image)
		left  format.IncompatibleFeatures
	}{
		{"only looking", check.RepairNone, func(im *qcow2test.Image) {}, marks},
		{"sound", check.RepairLeaks, func(im *qcow2test.Image) {}, 0},
		{"leak, mode leaks", check.RepairLeaks, func(im *qcow2test.Image) { im.SetRefcount(im.Grow(1), 1) }, 0},
		{"corruption, mode leaks", check.RepairLeaks, func(im *qcow2test.Image) { im.SetRefcount(im.Data[0], 0) }, marks},
		{"corruption, mode all", check.RepairAll, func(im *qcow2test.Image) { im.SetRefcount(im.Data[0], 0) }, 0},
		{"incurable", check.RepairAll, func(im *qcow2test.Image) { im.PutZone(3, 1) }, marks},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
			im.H.Incompatible |= marks
			im.WriteHeader()
			c.spoil(im)
			r := qcow2test.MustCheck(t, im, check.Options{Repair: c.mode})
			if got := format.IncompatibleFeatures(im.Get(format.IncompatibleField)); got != format.IncompatZoned|c.left {
				t.Errorf("incompatible features %#x, want %#x", got, format.IncompatZoned|c.left)
			}
			if r.Dirty != (c.left != 0) || r.MarkedCorrupt != (c.left != 0) {
				t.Error(qcow2test.Text(r))
			}
		})
	}
}

// tooLow counts clusters that may be given out while they are in use.
func tooLow(r *check.Report) (n int) {
	for _, f := range r.Findings {
		if f.Severity == check.Corruption && strings.Contains(f.Text, " references") {
			n++
		}
	}
	return n
}

// TestRepairMayCrash: power may fail at any moment of a repair; no cluster has
// lost a reference by then, and another repair gets to the same end.
func TestRepairMayCrash(t *testing.T) {
	for _, c := range checkCases {
		im := spoiled(t, c)
		rec := storagetest.NewRecorder(im.Mem)
		before := qcow2test.MustCheck(t, rec, check.Options{})
		qcow2test.MustCheck(t, rec, check.Options{Repair: check.RepairAll})
		for n := range rec.Len() + 1 {
			for seed := range uint64(4) {
				crashed := rec.Crash(n, storagetest.Shuffled(seed))
				r := qcow2test.MustCheck(t, crashed, check.Options{})
				if tooLow(r) > tooLow(before) {
					t.Errorf("%s: power failure after %d of %d operations: had\n%s\nhas\n%s", c.name, n, rec.Len(), qcow2test.Text(before), qcow2test.Text(r))
				}
				r = qcow2test.MustCheck(t, crashed, check.Options{Repair: check.RepairAll})
				if r.Corruptions != c.left || r.Leaks > c.leftLeaks {
					t.Errorf("%s: repair after %d of %d operations:\n%s", c.name, n, rec.Len(), qcow2test.Text(r))
				}
			}
		}
	}
}

func TestRepairReportsIOErrors(t *testing.T) {
	for _, c := range checkCases {
		if c.left > 0 || c.leftLeaks > 0 {
			continue
		}
		for n := 1; n < 100; n++ {
			rec := storagetest.NewRecorder(spoiled(t, c).Mem)
			rec.Inject(storagetest.Fault{Nth: n, Err: unix.EIO, Stuck: true})
			r, err := check.Check(rec, check.Options{Repair: check.RepairAll})
			if err == nil {
				break
			}
			if !errors.Is(err, check.ErrCheck) || !errors.Is(err, unix.EIO) || r == nil {
				t.Errorf("%s: call %d fails: %v, %v", c.name, n, r, err)
			}
		}
	}
}

func TestCheckBitmaps(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	data := im.AddBitmap()
	if r := qcow2test.MustCheck(t, im, check.Options{}); !r.Clean() {
		t.Error(qcow2test.Text(r))
	}
	im.SetRefcount(data, 0)
	if r := qcow2test.MustCheck(t, im, check.Options{}); r.Corruptions != 1 {
		t.Error(qcow2test.Text(r))
	}
	im.SetRefcount(data, 1)
	im.H.Autoclear = 0
	im.WriteHeader()
	if r := qcow2test.MustCheck(t, im, check.Options{}); r.Leaks != 3 || r.Corruptions != 0 {
		t.Error(qcow2test.Text(r))
	}
	im.H.Autoclear = format.AutoclearBitmaps
	im.H.Extensions[len(im.H.Extensions)-1].Data[3] = 2
	im.WriteHeader()
	if r := qcow2test.MustCheck(t, im, check.Options{}); r.Corruptions != 1 || !strings.Contains(qcow2test.Text(r), "ends before its 2 entries do") {
		t.Error(qcow2test.Text(r))
	}
}

func TestCheckSnapshots(t *testing.T) {
	shape := qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Snapshot: true}
	cases := map[string]struct {
		spoil              func(im *qcow2test.Image)
		corruptions, leaks uint64
	}{
		"snapshot forgotten":     {func(im *qcow2test.Image) { im.H.SnapshotCount = 0; im.WriteHeader() }, 0, 9},
		"snapshot table far off": {func(im *qcow2test.Image) { im.H.SnapshotsOffset = 1 << 40; im.WriteHeader() }, 1, 9},
		"too many snapshots":     {func(im *qcow2test.Image) { im.H.SnapshotCount = 1 << 20; im.WriteHeader() }, 1, 9},
		"its L1 table is huge":   {func(im *qcow2test.Image) { im.Write([]byte{255, 255, 255, 255}, im.Snapshots+8) }, 1, 8},
		"its L1 table far off":   {func(im *qcow2test.Image) { im.Put(im.Snapshots, 1<<40) }, 1, 8},
		"shared data, low count": {func(im *qcow2test.Image) { im.SetRefcount(im.Data[0], 1) }, 2, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			im := qcow2test.NewImage(t, shape)
			c.spoil(im)
			if r := qcow2test.MustCheck(t, im, check.Options{}); r.Corruptions != c.corruptions || r.Leaks != c.leaks {
				t.Errorf("want %d corruptions, %d leaks:\n%s", c.corruptions, c.leaks, qcow2test.Text(r))
			}
		})
	}
}

func TestCheckGivesUpOnTablesWithoutEnd(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.Check(im.Truncate(1 << 40))
	im.H.SnapshotCount, im.H.SnapshotsOffset = format.MaxSnapshots, im.End()
	im.WriteHeader()
	var entries []byte
	for k := range uint64(format.MaxSnapshots) { // all overlap, and no two are the same
		entry := make([]byte, format.SnapshotFixed)
		binary.BigEndian.PutUint64(entry, 1<<30+k<<12)
		binary.BigEndian.PutUint32(entry[8:], 4096)
		entries = append(entries, entry...)
	}
	im.Write(entries, im.End())
	if _, err := check.Check(im, check.Options{Tables: 1 << 20}); !errors.Is(err, check.ErrCheck) || !strings.Contains(err.Error(), "any sound image") {
		t.Error(err)
	}
}
