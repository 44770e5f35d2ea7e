package qcow2

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

func TestRepairLeaks(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			r := mustCheck(t, im, CheckOptions{Repair: RepairLeaks})
			wantLeaks := uint64(0)
			if c.leaksStay {
				wantLeaks = c.leaks
			}
			if r.Leaks != wantLeaks || r.LeaksFixed != c.leaks-wantLeaks {
				t.Errorf("want %d leaks:\n%s", wantLeaks, text(r))
			}
			if wantLeaks > 0 && !strings.Contains(text(r), "left alone") {
				t.Errorf("no word about the leaks left:\n%s", text(r))
			}
			sameAsCheck(t, im, r)
		})
	}
}

func TestRepairAll(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			r := mustCheck(t, im, CheckOptions{Repair: RepairAll})
			if r.Corruptions != c.left || r.Leaks != c.leftLeaks {
				t.Errorf("want %d corruptions and %d leaks left:\n%s", c.left, c.leftLeaks, text(r))
			}
			sameAsCheck(t, im, r)
			if c.left == 0 && c.leftLeaks == 0 {
				mapsStill(t, im, newHandImage(t, handOptions{clusterBits: 12, order: 4}), c)
			}
		})
	}
}

// sameAsCheck: a report after repair is what a fresh look finds.
func sameAsCheck(t *testing.T, f storage.File, r *Report) {
	t.Helper()
	fresh := mustCheck(t, f, CheckOptions{})
	if fresh.Corruptions != r.Corruptions || fresh.Leaks != r.Leaks {
		t.Errorf("repair says:\n%s\na fresh check:\n%s", text(r), text(fresh))
	}
}

// mapsStill: repair of refcounts, flags and reserved bits leaves the map as it was.
func mapsStill(t *testing.T, got, was *handImage, c checkCase) {
	c.spoil(was)
	for i := range uint64(7) {
		if g, w := got.entry(i)&^copiedFlag, was.entry(i)&^(copiedFlag|1<<60); g != w {
			t.Errorf("entry %d is %#x and was %#x", i, g, w)
		}
	}
}

func TestRepairOfEveryShape(t *testing.T) {
	for name, o := range handShapes {
		t.Run(name, func(t *testing.T) {
			if o.order == 0 {
				o.order = 1 // the image has clusters with two references
			}
			im := newHandImage(t, o)
			im.put(im.h.RefcountTableOffset, 0)
			im.put(im.entryAt(0), im.entry(0)^copiedFlag)
			r := mustCheck(t, im, CheckOptions{Repair: RepairAll})
			if !r.Clean() || r.CorruptionsFixed == 0 {
				t.Error(text(r))
			}
		})
	}
}

func TestRepairRefusesRefcountsTooWide(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 0})
	if r := mustCheck(t, im, CheckOptions{Repair: RepairAll}); r.Corruptions != 1 {
		t.Errorf("two references with refcounts of one bit:\n%s", text(r))
	}
	im.put(im.h.RefcountTableOffset, 0)
	if _, err := Check(im, CheckOptions{Repair: RepairAll}); !errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), "more than a refcount of 1 bits holds") {
		t.Error(err)
	}
}

func TestRepairKeepsWhatDamageMayHide(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	im.put(im.l1, 1<<40)                           // the L2 table is lost, its data must not be
	im.put(im.h.RefcountTableOffset+8, 1<<50)      // and new refcount structures are needed
	im.put(im.h.RefcountTableOffset+16, 1<<50)     //
	lost := append([]uint64{im.l2[0]}, im.data...) //
	r := mustCheck(t, im, CheckOptions{Repair: RepairAll})
	table := binary.BigEndian.Uint64(readAt(t, im, refTableField, 8))
	block := im.get(table)
	if table == im.h.RefcountTableOffset || block == im.refBlock {
		t.Fatalf("no new structures:\n%s", text(r))
	}
	for _, off := range lost {
		if n := im.refcountBlock(block).Get(off >> im.g.clusterBits); n != 1 {
			t.Errorf("cluster at %#x got refcount %d", off, n)
		}
	}
	if !strings.Contains(text(r), "left alone") {
		t.Error(text(r))
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
	const marks = IncompatDirty | IncompatCorrupt
	cases := []struct {
		name  string
		mode  Repair
		spoil func(im *handImage)
		left  IncompatibleFeatures
	}{
		{"only looking", RepairNone, func(im *handImage) {}, marks},
		{"sound", RepairLeaks, func(im *handImage) {}, 0},
		{"leak, mode leaks", RepairLeaks, func(im *handImage) { im.setRefcount(im.grow(1), 1) }, 0},
		{"corruption, mode leaks", RepairLeaks, func(im *handImage) { im.setRefcount(im.data[0], 0) }, marks},
		{"corruption, mode all", RepairAll, func(im *handImage) { im.setRefcount(im.data[0], 0) }, 0},
		{"incurable", RepairAll, func(im *handImage) { im.putZone(3, 1) }, marks},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
			im.h.Incompatible |= marks
			im.writeHeader()
			c.spoil(im)
			r := mustCheck(t, im, CheckOptions{Repair: c.mode})
			if got := IncompatibleFeatures(im.get(incompatibleField)); got != IncompatZoned|c.left {
				t.Errorf("incompatible features %#x, want %#x", got, IncompatZoned|c.left)
			}
			if r.Dirty != (c.left != 0) || r.MarkedCorrupt != (c.left != 0) {
				t.Error(text(r))
			}
		})
	}
}

// tooLow counts clusters that may be given out while they are in use.
func tooLow(r *Report) (n int) {
	for _, f := range r.Findings {
		if f.Severity == Corruption && strings.Contains(f.Text, " references") {
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
		rec := storage.NewRecorder(im.Mem)
		before := mustCheck(t, rec, CheckOptions{})
		mustCheck(t, rec, CheckOptions{Repair: RepairAll})
		for n := range rec.Len() + 1 {
			for seed := range uint64(4) {
				crashed := rec.Crash(n, storage.Shuffled(seed))
				r := mustCheck(t, crashed, CheckOptions{})
				if tooLow(r) > tooLow(before) {
					t.Errorf("%s: power failure after %d of %d operations: had\n%s\nhas\n%s", c.name, n, rec.Len(), text(before), text(r))
				}
				r = mustCheck(t, crashed, CheckOptions{Repair: RepairAll})
				if r.Corruptions != c.left || r.Leaks > c.leftLeaks {
					t.Errorf("%s: repair after %d of %d operations:\n%s", c.name, n, rec.Len(), text(r))
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
			rec := storage.NewRecorder(spoiled(t, c).Mem)
			rec.Inject(storage.Fault{Nth: n, Err: unix.EIO, Stuck: true})
			r, err := Check(rec, CheckOptions{Repair: RepairAll})
			if err == nil {
				break
			}
			if !errors.Is(err, ErrCheck) || !errors.Is(err, unix.EIO) || r == nil {
				t.Errorf("%s: call %d fails: %v, %v", c.name, n, r, err)
			}
		}
	}
}

func TestCheckBitmaps(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	data := im.addBitmap()
	if r := mustCheck(t, im, CheckOptions{}); !r.Clean() {
		t.Error(text(r))
	}
	im.setRefcount(data, 0)
	if r := mustCheck(t, im, CheckOptions{}); r.Corruptions != 1 {
		t.Error(text(r))
	}
	im.setRefcount(data, 1)
	im.h.Autoclear = 0
	im.writeHeader()
	if r := mustCheck(t, im, CheckOptions{}); r.Leaks != 3 || r.Corruptions != 0 {
		t.Error(text(r))
	}
	im.h.Autoclear = AutoclearBitmaps
	im.h.Extensions[len(im.h.Extensions)-1].Data[3] = 2
	im.writeHeader()
	if r := mustCheck(t, im, CheckOptions{}); r.Corruptions != 1 || !strings.Contains(text(r), "ends before its 2 entries do") {
		t.Error(text(r))
	}
}

func TestCheckSnapshots(t *testing.T) {
	shape := handOptions{clusterBits: 12, order: 4, snapshot: true}
	cases := map[string]struct {
		spoil              func(im *handImage)
		corruptions, leaks uint64
	}{
		"snapshot forgotten":     {func(im *handImage) { im.h.SnapshotCount = 0; im.writeHeader() }, 0, 9},
		"snapshot table far off": {func(im *handImage) { im.h.SnapshotsOffset = 1 << 40; im.writeHeader() }, 1, 9},
		"too many snapshots":     {func(im *handImage) { im.h.SnapshotCount = 1 << 20; im.writeHeader() }, 1, 9},
		"its L1 table is huge":   {func(im *handImage) { im.write([]byte{255, 255, 255, 255}, im.snapshots+8) }, 1, 8},
		"its L1 table far off":   {func(im *handImage) { im.put(im.snapshots, 1<<40) }, 1, 8},
		"shared data, low count": {func(im *handImage) { im.setRefcount(im.data[0], 1) }, 2, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			im := newHandImage(t, shape)
			c.spoil(im)
			if r := mustCheck(t, im, CheckOptions{}); r.Corruptions != c.corruptions || r.Leaks != c.leaks {
				t.Errorf("want %d corruptions, %d leaks:\n%s", c.corruptions, c.leaks, text(r))
			}
		})
	}
}

func TestCheckGivesUpOnTablesWithoutEnd(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	im.check(im.Truncate(1 << 40))
	im.h.SnapshotCount, im.h.SnapshotsOffset = maxSnapshots, im.end()
	im.writeHeader()
	var entries []byte
	for k := range uint64(maxSnapshots) { // all overlap, and no two are the same
		entry := make([]byte, snapshotFixed)
		binary.BigEndian.PutUint64(entry, 1<<30+k<<12)
		binary.BigEndian.PutUint32(entry[8:], 4096)
		entries = append(entries, entry...)
	}
	im.write(entries, im.end())
	if _, err := Check(im, CheckOptions{tables: 1 << 20}); !errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), "any sound image") {
		t.Error(err)
	}
}
