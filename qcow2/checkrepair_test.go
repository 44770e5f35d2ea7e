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
			r := MustCheck(t, im, Options{Repair: RepairLeaks})
			wantLeaks := uint64(0)
			if c.leaksStay {
				wantLeaks = c.leaks
			}
			if r.Leaks != wantLeaks || r.LeaksFixed != c.leaks-wantLeaks {
				t.Errorf("want %d leaks:\n%s", wantLeaks, Text(r))
			}
			if wantLeaks > 0 && !strings.Contains(Text(r), "left alone") {
				t.Errorf("no word about the leaks left:\n%s", Text(r))
			}
			sameAsCheck(t, im, r)
		})
	}
}

func TestRepairAll(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			r := MustCheck(t, im, Options{Repair: RepairAll})
			if r.Corruptions != c.left || r.Leaks != c.leftLeaks {
				t.Errorf("want %d corruptions and %d leaks left:\n%s", c.left, c.leftLeaks, Text(r))
			}
			sameAsCheck(t, im, r)
			if c.left == 0 && c.leftLeaks == 0 {
				mapsStill(t, im, NewImage(t, ImageOptions{ClusterBits: 12, Order: 4}), c)
			}
		})
	}
}

// sameAsCheck: a report after repair is what a fresh look finds.
func sameAsCheck(t *testing.T, f storage.File, r *Report) {
	t.Helper()
	fresh := MustCheck(t, f, Options{})
	if fresh.Corruptions != r.Corruptions || fresh.Leaks != r.Leaks {
		t.Errorf("repair says:\n%s\na fresh check:\n%s", Text(r), Text(fresh))
	}
}

// mapsStill: repair of refcounts, flags and reserved bits leaves the map as it was.
func mapsStill(t *testing.T, got, was *handImage, c checkCase) {
	c.spoil(was)
	for i := range uint64(7) {
		if g, w := got.Entry(i)&^CopiedFlag, was.Entry(i)&^(CopiedFlag|1<<60); g != w {
			t.Errorf("entry %d is %#x and was %#x", i, g, w)
		}
	}
}

func TestRepairOfEveryShape(t *testing.T) {
	for name, o := range Shapes {
		t.Run(name, func(t *testing.T) {
			if o.Order == 0 {
				o.Order = 1 // the image has clusters with two references
			}
			im := NewImage(t, o)
			im.Put(im.H.RefcountTableOffset, 0)
			im.Put(im.EntryAt(0), im.Entry(0)^CopiedFlag)
			r := MustCheck(t, im, Options{Repair: RepairAll})
			if !r.Clean() || r.CorruptionsFixed == 0 {
				t.Error(Text(r))
			}
		})
	}
}

func TestRepairRefusesRefcountsTooWide(t *testing.T) {
	im := NewImage(t, ImageOptions{ClusterBits: 12, Order: 0})
	if r := MustCheck(t, im, Options{Repair: RepairAll}); r.Corruptions != 1 {
		t.Errorf("two references with refcounts of one bit:\n%s", Text(r))
	}
	im.Put(im.H.RefcountTableOffset, 0)
	if _, err := Check(im, Options{Repair: RepairAll}); !errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), "more than a refcount of 1 bits holds") {
		t.Error(err)
	}
}

func TestRepairKeepsWhatDamageMayHide(t *testing.T) {
	im := NewImage(t, ImageOptions{ClusterBits: 12, Order: 4})
	im.Put(im.L1, 1<<40)                           // the L2 table is lost, its data must not be
	im.Put(im.H.RefcountTableOffset+8, 1<<50)      // and new refcount structures are needed
	im.Put(im.H.RefcountTableOffset+16, 1<<50)     //
	lost := append([]uint64{im.L2[0]}, im.Data...) //
	r := MustCheck(t, im, Options{Repair: RepairAll})
	table := binary.BigEndian.Uint64(readAt(t, im, RefTableField, 8))
	block := im.Get(table)
	if table == im.H.RefcountTableOffset || block == im.RefBlock {
		t.Fatalf("no new structures:\n%s", Text(r))
	}
	for _, off := range lost {
		if n := im.RefcountBlock(block).Get(off >> im.G.ClusterBits); n != 1 {
			t.Errorf("cluster at %#x got refcount %d", off, n)
		}
	}
	if !strings.Contains(Text(r), "left alone") {
		t.Error(Text(r))
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
		{"leak, mode leaks", RepairLeaks, func(im *handImage) { im.SetRefcount(im.Grow(1), 1) }, 0},
		{"corruption, mode leaks", RepairLeaks, func(im *handImage) { im.SetRefcount(im.Data[0], 0) }, marks},
		{"corruption, mode all", RepairAll, func(im *handImage) { im.SetRefcount(im.Data[0], 0) }, 0},
		{"incurable", RepairAll, func(im *handImage) { im.PutZone(3, 1) }, marks},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			im := NewImage(t, ImageOptions{ClusterBits: 12, Order: 4})
			im.H.Incompatible |= marks
			im.WriteHeader()
			c.spoil(im)
			r := MustCheck(t, im, Options{Repair: c.mode})
			if got := IncompatibleFeatures(im.Get(IncompatibleField)); got != IncompatZoned|c.left {
				t.Errorf("incompatible features %#x, want %#x", got, IncompatZoned|c.left)
			}
			if r.Dirty != (c.left != 0) || r.MarkedCorrupt != (c.left != 0) {
				t.Error(Text(r))
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
		before := MustCheck(t, rec, Options{})
		MustCheck(t, rec, Options{Repair: RepairAll})
		for n := range rec.Len() + 1 {
			for seed := range uint64(4) {
				crashed := rec.Crash(n, storage.Shuffled(seed))
				r := MustCheck(t, crashed, Options{})
				if tooLow(r) > tooLow(before) {
					t.Errorf("%s: power failure after %d of %d operations: had\n%s\nhas\n%s", c.name, n, rec.Len(), Text(before), Text(r))
				}
				r = MustCheck(t, crashed, Options{Repair: RepairAll})
				if r.Corruptions != c.left || r.Leaks > c.leftLeaks {
					t.Errorf("%s: repair after %d of %d operations:\n%s", c.name, n, rec.Len(), Text(r))
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
			r, err := Check(rec, Options{Repair: RepairAll})
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
	im := NewImage(t, ImageOptions{ClusterBits: 12, Order: 4})
	data := im.AddBitmap()
	if r := MustCheck(t, im, Options{}); !r.Clean() {
		t.Error(Text(r))
	}
	im.SetRefcount(data, 0)
	if r := MustCheck(t, im, Options{}); r.Corruptions != 1 {
		t.Error(Text(r))
	}
	im.SetRefcount(data, 1)
	im.H.Autoclear = 0
	im.WriteHeader()
	if r := MustCheck(t, im, Options{}); r.Leaks != 3 || r.Corruptions != 0 {
		t.Error(Text(r))
	}
	im.H.Autoclear = AutoclearBitmaps
	im.H.Extensions[len(im.H.Extensions)-1].Data[3] = 2
	im.WriteHeader()
	if r := MustCheck(t, im, Options{}); r.Corruptions != 1 || !strings.Contains(Text(r), "ends before its 2 entries do") {
		t.Error(Text(r))
	}
}

func TestCheckSnapshots(t *testing.T) {
	shape := ImageOptions{ClusterBits: 12, Order: 4, Snapshot: true}
	cases := map[string]struct {
		spoil              func(im *handImage)
		corruptions, leaks uint64
	}{
		"snapshot forgotten":     {func(im *handImage) { im.H.SnapshotCount = 0; im.WriteHeader() }, 0, 9},
		"snapshot table far off": {func(im *handImage) { im.H.SnapshotsOffset = 1 << 40; im.WriteHeader() }, 1, 9},
		"too many snapshots":     {func(im *handImage) { im.H.SnapshotCount = 1 << 20; im.WriteHeader() }, 1, 9},
		"its L1 table is huge":   {func(im *handImage) { im.Write([]byte{255, 255, 255, 255}, im.Snapshots+8) }, 1, 8},
		"its L1 table far off":   {func(im *handImage) { im.Put(im.Snapshots, 1<<40) }, 1, 8},
		"shared data, low count": {func(im *handImage) { im.SetRefcount(im.Data[0], 1) }, 2, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			im := NewImage(t, shape)
			c.spoil(im)
			if r := MustCheck(t, im, Options{}); r.Corruptions != c.corruptions || r.Leaks != c.leaks {
				t.Errorf("want %d corruptions, %d leaks:\n%s", c.corruptions, c.leaks, Text(r))
			}
		})
	}
}

func TestCheckGivesUpOnTablesWithoutEnd(t *testing.T) {
	im := NewImage(t, ImageOptions{ClusterBits: 12, Order: 4})
	im.Check(im.Truncate(1 << 40))
	im.H.SnapshotCount, im.H.SnapshotsOffset = MaxSnapshots, im.End()
	im.WriteHeader()
	var entries []byte
	for k := range uint64(MaxSnapshots) { // all overlap, and no two are the same
		entry := make([]byte, SnapshotFixed)
		binary.BigEndian.PutUint64(entry, 1<<30+k<<12)
		binary.BigEndian.PutUint32(entry[8:], 4096)
		entries = append(entries, entry...)
	}
	im.Write(entries, im.End())
	if _, err := Check(im, Options{Tables: 1 << 20}); !errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), "any sound image") {
		t.Error(err)
	}
}
