// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func TestCheckSoundImages(t *testing.T) {
	for name, o := range qcow2test.Shapes {
		t.Run(name, func(t *testing.T) {
			im := qcow2test.NewImage(t, o)
			if o.Order == 0 { // can't count two compressed clusters
				im.PutEntry(5, 0, 0)
			}
			rec := storagetest.NewRecorder(im.Mem)
			r := qcow2test.MustCheck(t, rec, check.Options{})
			if !r.Clean() || len(r.Findings) != 0 || r.ExitCode() != check.CheckClean {
				t.Error(qcow2test.Text(r))
			}
			if rec.Len() != 0 {
				t.Errorf("a check wrote %d times", rec.Len())
			}
			if want := im.G.Clusters(8 * qcow2test.Zones); !o.Plain && r.ZoneTableClusters != want {
				t.Errorf("zone table has %d clusters, want %d", r.ZoneTableClusters, want)
			}
			if r.ImageEndOffset != im.End() {
				t.Errorf("image ends at %#x, want %#x", r.ImageEndOffset, im.End())
			}
		})
	}
}

// checkCase is a sound image with one thing wrong.
type checkCase struct {
	name               string
	spoil              func(im *qcow2test.Image)
	corruptions, leaks uint64
	says               string

	// After repair mode all: what it can't cure. With leaksStay mode leaks
	// must leave leaks alone.
	left, leftLeaks uint64
	leaksStay       bool

	// What qemu-img check counts differently, and why it does.
	qemuDiffers string
}

const (
	nextIsEmpty    = "QEMU counts what it finds behind the bad table pointer"
	qemuNoEntry    = "QEMU leaves a block with reserved bits uncounted"
	qemuBlockTwice = "QEMU reports the block once more, besides its cluster"
	qemuGivesUp    = "QEMU does not complete the check"
	qemuZoneBlind  = "QEMU does not know zones"
	qemuNoOverlaps = "QEMU looks for overlaps when it writes only"
)

var checkCases = []checkCase{
	{name: "leaked cluster", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.Grow(1), 1) },
		leaks: 1, says: "has refcount 1 and 0 references"},
	{name: "data refcount too high", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.Data[1], 2) },
		leaks: 1, corruptions: 1, says: "has the copied flag, and the refcount is not 1"},
	{name: "data refcount zero", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.Data[1], 0) },
		corruptions: 2, says: "has refcount 0 and 1 references: guest data"},
	{name: "L2 table refcount zero", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.L2[0], 0) },
		corruptions: 2, says: "references: L2 table"},
	{name: "L2 table refcount too high", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.L2[0], 2) },
		corruptions: 1, leaks: 1, says: "the L1 entry"},
	{name: "header refcount zero", spoil: func(im *qcow2test.Image) { im.SetRefcount(0, 0) },
		corruptions: 1, says: "references: header"},
	{name: "zone table refcount zero", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.ZoneTable, 0) },
		corruptions: 1, says: "references: zone table", qemuDiffers: qemuZoneBlind},
	{name: "compressed refcount too low", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.Compressed, 1) },
		corruptions: 1, says: "has refcount 1 and 2 references"},
	{name: "L1 entry without copied flag", spoil: func(im *qcow2test.Image) { im.Put(im.L1, im.L2[0]) },
		corruptions: 1, says: "the L1 entry"},
	{name: "empty L1 entry with copied flag", spoil: func(im *qcow2test.Image) { im.Put(im.L1+8, format.CopiedFlag) },
		corruptions: 1, leaks: 1, says: "refers to nothing", qemuDiffers: "QEMU reads the header as an L2 table"},
	{name: "zero cluster out of line", spoil: func(im *qcow2test.Image) {
		im.PutZero(7, im.Grow(2)|format.CopiedFlag)
		im.SetRefcount(im.End()-2*im.G.ClusterSize(), 1)
	}},
	{name: "L2 entry without copied flag", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.Data[0]) },
		corruptions: 1, says: "has no copied flag, and the refcount is 1"},
	{name: "zero cluster without copied flag", spoil: func(im *qcow2test.Image) { im.PutZero(3, im.Zeroed) },
		corruptions: 1, says: "has no copied flag"},
	{name: "compressed with copied flag", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(4), im.Entry(4)|format.CopiedFlag) },
		corruptions: 1, says: "is compressed and has the copied flag"},
	{name: "reserved bits in L1", spoil: func(im *qcow2test.Image) { im.Put(im.L1, im.Get(im.L1)|1<<56|1) },
		corruptions: 1, says: "the L1 entry at 0x4000 has reserved bits set"},
	{name: "reserved bits in L2", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.Entry(0)|1<<60) },
		corruptions: 1, says: "the L2 entry at 0x5000 has reserved bits set"},
	{name: "data not at the start of a cluster", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.Entry(0)+512) },
		corruptions: 2, says: "not the start of a cluster", left: 1},
	{name: "data just past the end", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.End()|format.CopiedFlag) },
		corruptions: 2, leaks: 1, says: "past the end of the file", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "data far past the end", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), 1<<55|format.CopiedFlag) },
		corruptions: 2, leaks: 1, says: "past the end of the file", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "compressed past the end", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(4), 1<<62|1<<40) },
		corruptions: 1, leaks: 1, says: "compressed cluster at 0x10000000000", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "L2 table not at the start of a cluster", spoil: func(im *qcow2test.Image) { im.Put(im.L1+8, im.L2[1]+512|format.CopiedFlag) },
		corruptions: 1, leaks: 1, says: "L2 table at", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: nextIsEmpty},
	{name: "L2 table past the end", spoil: func(im *qcow2test.Image) { im.Put(im.L1+8, im.End()|format.CopiedFlag) },
		corruptions: 2, leaks: 1, says: "L2 table at", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "two entries, one cluster", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.Entry(1)) },
		corruptions: 1, leaks: 1, says: "has refcount 1 and 2 references: guest data"},
	{name: "data in an L2 table", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.L2[1]|format.CopiedFlag) },
		corruptions: 1, leaks: 1, says: "L2 table and guest data", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "data in the zone table", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.ZoneTable|format.CopiedFlag) },
		corruptions: 1, leaks: 1, says: "zone table and guest data", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "data in the L1 table", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.L1|format.CopiedFlag) },
		corruptions: 1, leaks: 1, says: "L1 table and guest data", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "data in the refcount block", spoil: func(im *qcow2test.Image) { im.Put(im.EntryAt(0), im.RefBlock|format.CopiedFlag) },
		corruptions: 1, leaks: 1, says: "refcount block and guest data", leaksStay: true, qemuDiffers: qemuBlockTwice},
	{name: "overlap that refcounts agree with", spoil: func(im *qcow2test.Image) {
		im.Put(im.EntryAt(0), im.L2[1])
		im.Put(im.L1+8, im.L2[1])
		im.SetRefcount(im.L2[1], 2)
		im.SetRefcount(im.Data[0], 0)
	}, corruptions: 1, says: "is used 2 times: L2 table and guest data", left: 1, qemuDiffers: qemuNoOverlaps},
	{name: "refcount block not at the start of a cluster", spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset+8, im.RefBlock+512) },
		corruptions: 1, says: "refcount block 1", leaksStay: true, qemuDiffers: qemuGivesUp},
	{name: "refcount block past the end", spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset+8, 1<<50) },
		corruptions: 1, says: "refcount block 1", leaksStay: true},
	{name: "refcount block used twice", spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset+8, im.RefBlock) },
		corruptions: 2, says: "also serves as another one", leaksStay: true},
	{name: "refcount block that is data", spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset+8, im.Data[0]) },
		corruptions: 1, says: "refcount block and guest data", leaksStay: true, qemuDiffers: qemuBlockTwice},
	{name: "reserved bits in the refcount table", spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset, im.RefBlock|1) },
		corruptions: 1, says: "has reserved bits set", leaksStay: true, qemuDiffers: qemuNoEntry},
	{name: "refcount block missing", spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset, 0) },
		corruptions: 17, says: "has refcount 0 and 1 references", qemuDiffers: qemuZoneBlind},
	{name: "refcount block in a hole", spoil: func(im *qcow2test.Image) { im.Check(im.PunchHole(int64(im.RefBlock), int64(im.G.ClusterSize()))) },
		corruptions: 18, says: "has refcount 0 and 1 references", qemuDiffers: qemuZoneBlind},
	{name: "refcount table elsewhere", spoil: func(im *qcow2test.Image) { im.H.RefcountTableOffset = 1 << 40; im.WriteHeader() },
		corruptions: 1, says: "the refcount table at 0x10000000000", qemuDiffers: qemuGivesUp},
	{name: "file cut short", spoil: func(im *qcow2test.Image) { im.Check(im.Truncate(int64(im.Compressed))) },
		corruptions: 2, says: "past the end of the file", left: 2, qemuDiffers: "QEMU lets compressed data end within a cluster behind the file"},
	{name: "file cut within its last cluster", spoil: func(im *qcow2test.Image) { im.Check(im.Truncate(int64(im.End() - 1000))) }},
	{name: "L1 table too short", spoil: func(im *qcow2test.Image) { im.H.L1Size = 1; im.WriteHeader() },
		corruptions: 1, leaks: 1, says: "the L1 table has 1 entries and the disk needs 2", left: 1, qemuDiffers: qemuGivesUp},
	{name: "zone below its start", spoil: func(im *qcow2test.Image) { im.PutZone(3, 2*im.H.Size/qcow2test.Zones) },
		corruptions: 1, says: "zone 3", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "zone past its end", spoil: func(im *qcow2test.Image) { im.PutZone(3, im.H.Size) },
		corruptions: 1, says: "zone 3", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "zone between sectors", spoil: func(im *qcow2test.Image) { im.PutZone(3, 3*im.H.Size/qcow2test.Zones+1) },
		corruptions: 1, says: "no multiple of 512", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "conventional zone too late", spoil: func(im *qcow2test.Image) { im.PutZone(3, 3*im.H.Size/qcow2test.Zones|1<<59) },
		corruptions: 1, says: "calls zone 3 conventional", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "conventional zone missing", spoil: func(im *qcow2test.Image) { im.PutZone(0, 0) },
		corruptions: 1, says: "calls zone 0 sequential", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "two bad zones", spoil: func(im *qcow2test.Image) { im.PutZone(2, 1); im.PutZone(5, 1) },
		corruptions: 2, says: "zone 5", left: 2, qemuDiffers: qemuZoneBlind},
	{name: "zone bit without extension", spoil: func(im *qcow2test.Image) { im.H.Extensions = nil; im.WriteHeader() },
		corruptions: 1, leaks: 1, says: "incompatible bit 5", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: qemuZoneBlind},
	{name: "zones read-only and offline", spoil: func(im *qcow2test.Image) {
		im.AddPrivate(format.ConditionList{{First: 1, Zones: 2, Condition: format.ZoneOffline}, {First: 7, Zones: 1, Condition: format.ZoneReadOnly}})
	}},
	{name: "condition of a conventional zone", spoil: func(im *qcow2test.Image) {
		im.AddPrivate(format.ConditionList{{First: 0, Zones: 2, Condition: format.ZoneOffline}})
	},
		corruptions: 1, says: "makes zones 0-1 offline, and the first 1 are conventional", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "condition of a zone behind the last", spoil: func(im *qcow2test.Image) {
		im.AddPrivate(format.ConditionList{{First: 7, Zones: 2, Condition: format.ZoneOffline}})
	},
		corruptions: 1, says: "conditions of zones 7-8, and there are 8", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "no condition", spoil: func(im *qcow2test.Image) { im.AddPrivate(format.ConditionList{{First: 5, Zones: 1, Condition: 3}}) },
		corruptions: 1, says: "zone 5 the condition 0x3", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "zone table past the end", spoil: func(im *qcow2test.Image) { im.SetZoneTable(1 << 40) },
		corruptions: 1, leaks: 1, says: "past the end of the file", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: qemuZoneBlind},
	{name: "zone table not at the start of a cluster", spoil: func(im *qcow2test.Image) { im.SetZoneTable(im.ZoneTable + 512) },
		corruptions: 1, leaks: 1, says: "table offset", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: qemuZoneBlind},
	{name: "refcounts behind the end", spoil: func(im *qcow2test.Image) { im.SetRefcount(im.End()+8192, 1) },
		says: "1 clusters behind the end of the file have refcounts"},
}

func spoiled(t testing.TB, c checkCase) *qcow2test.Image {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	c.spoil(im)
	return im
}

func TestCheckReports(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			r := qcow2test.MustCheck(t, spoiled(t, c).Mem, check.Options{})
			if r.Corruptions != c.corruptions || r.Leaks != c.leaks || !strings.Contains(qcow2test.Text(r), c.says) {
				t.Errorf("want %d corruptions, %d leaks and %q:\n%s", c.corruptions, c.leaks, c.says, qcow2test.Text(r))
			}
			if r.ExitCode() != exitCode(c.corruptions, c.leaks) {
				t.Errorf("exit code %d", r.ExitCode())
			}
		})
	}
}

func exitCode(corruptions, leaks uint64) int {
	if corruptions > 0 {
		return 2
	}
	if leaks > 0 {
		return 3
	}
	return 0
}

func TestCheckFindingsAreBounded(t *testing.T) {
	im := spoiled(t, checkCase{spoil: func(im *qcow2test.Image) { im.Put(im.H.RefcountTableOffset, 0) }})
	r := qcow2test.MustCheck(t, im, check.Options{MaxFindings: 3})
	if len(r.Findings) != 3 || r.Omitted != r.Corruptions-3 || !strings.Contains(qcow2test.Text(r), "findings more") {
		t.Error(qcow2test.Text(r))
	}
}

func TestCheckReportsIOErrors(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	for n := 1; ; n++ {
		rec := storagetest.NewRecorder(im.Mem)
		rec.Inject(storagetest.Fault{Kind: storagetest.OpRead, Nth: n, Err: unix.EIO})
		r, err := check.Check(rec, check.Options{})
		if err == nil {
			if n < 6 {
				t.Errorf("only %d reads", n)
			}
			return
		}
		if !errors.Is(err, check.ErrCheck) || !errors.Is(err, unix.EIO) || r == nil {
			t.Fatalf("read %d fails: %v, %v", n, r, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.H.Incompatible |= 1 << 17
	im.WriteHeader()
	cases := map[string]struct {
		f    storage.File
		says string
	}{
		"unknown feature": {im, "unknown feature bit 17"},
		"text file":       {storagetest.NewMem([]byte("hello")), format.ErrNotQcow2.Error()},
		"empty file":      {new(storagetest.Mem), format.ErrNotQcow2.Error()},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := check.Check(c.f, check.Options{Repair: check.RepairAll})
			if !errors.Is(err, check.ErrCheck) || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}

func TestCheckMemoryIsBounded(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 9, Order: 4})
	im.Check(im.Truncate(1 << 50))
	for i := range im.G.L2Entries() { // far apart: each is a run of its own
		im.Put(im.EntryAt(i), (i+1)<<30)
	}
	_, err := check.Check(im, check.Options{Memory: 2 << 10})
	if !errors.Is(err, check.ErrCheck) || !strings.Contains(err.Error(), "memory") {
		t.Error(err)
	}
	if _, err := check.Check(im, check.Options{Memory: 1 << 20}); err != nil {
		t.Error(err)
	}
}

func TestReportJSON(t *testing.T) {
	var b strings.Builder
	r := qcow2test.MustCheck(t, spoiled(t, checkCases[0]), check.Options{})
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"leaks": 1`, `"corruptions": 0`, `"severity": "leak"`, fmt.Sprintf(`"image-end-offset": %d`, r.ImageEndOffset)} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}
