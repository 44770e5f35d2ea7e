package qcow2

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

func TestCheckSoundImages(t *testing.T) {
	for name, o := range handShapes {
		t.Run(name, func(t *testing.T) {
			im := newHandImage(t, o)
			if o.order == 0 { // can't count two compressed clusters
				im.putEntry(5, 0, 0)
			}
			rec := storage.NewRecorder(im.Mem)
			r := mustCheck(t, rec, CheckOptions{})
			if !r.Clean() || len(r.Findings) != 0 || r.ExitCode() != CheckClean {
				t.Error(text(r))
			}
			if rec.Len() != 0 {
				t.Errorf("a check wrote %d times", rec.Len())
			}
			if want := im.g.clusters(8 * handZones); !o.plain && r.ZoneTableClusters != want {
				t.Errorf("zone table has %d clusters, want %d", r.ZoneTableClusters, want)
			}
			if r.ImageEndOffset != im.end() {
				t.Errorf("image ends at %#x, want %#x", r.ImageEndOffset, im.end())
			}
		})
	}
}

// checkCase is a sound image with one thing wrong.
type checkCase struct {
	name               string
	spoil              func(im *handImage)
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
	{name: "leaked cluster", spoil: func(im *handImage) { im.setRefcount(im.grow(1), 1) },
		leaks: 1, says: "has refcount 1 and 0 references"},
	{name: "data refcount too high", spoil: func(im *handImage) { im.setRefcount(im.data[1], 2) },
		leaks: 1, corruptions: 1, says: "has the copied flag, and the refcount is not 1"},
	{name: "data refcount zero", spoil: func(im *handImage) { im.setRefcount(im.data[1], 0) },
		corruptions: 2, says: "has refcount 0 and 1 references: guest data"},
	{name: "L2 table refcount zero", spoil: func(im *handImage) { im.setRefcount(im.l2[0], 0) },
		corruptions: 2, says: "references: L2 table"},
	{name: "L2 table refcount too high", spoil: func(im *handImage) { im.setRefcount(im.l2[0], 2) },
		corruptions: 1, leaks: 1, says: "the L1 entry"},
	{name: "header refcount zero", spoil: func(im *handImage) { im.setRefcount(0, 0) },
		corruptions: 1, says: "references: header"},
	{name: "zone table refcount zero", spoil: func(im *handImage) { im.setRefcount(im.zoneTable, 0) },
		corruptions: 1, says: "references: zone table", qemuDiffers: qemuZoneBlind},
	{name: "compressed refcount too low", spoil: func(im *handImage) { im.setRefcount(im.compressed, 1) },
		corruptions: 1, says: "has refcount 1 and 2 references"},
	{name: "L1 entry without copied flag", spoil: func(im *handImage) { im.put(im.l1, im.l2[0]) },
		corruptions: 1, says: "the L1 entry"},
	{name: "empty L1 entry with copied flag", spoil: func(im *handImage) { im.put(im.l1+8, copiedFlag) },
		corruptions: 1, leaks: 1, says: "refers to nothing", qemuDiffers: "QEMU reads the header as an L2 table"},
	{name: "zero cluster out of line", spoil: func(im *handImage) {
		im.putZero(7, im.grow(2)|copiedFlag)
		im.setRefcount(im.end()-2*im.g.clusterSize(), 1)
	}},
	{name: "L2 entry without copied flag", spoil: func(im *handImage) { im.put(im.entryAt(0), im.data[0]) },
		corruptions: 1, says: "has no copied flag, and the refcount is 1"},
	{name: "zero cluster without copied flag", spoil: func(im *handImage) { im.putZero(3, im.zeroed) },
		corruptions: 1, says: "has no copied flag"},
	{name: "compressed with copied flag", spoil: func(im *handImage) { im.put(im.entryAt(4), im.entry(4)|copiedFlag) },
		corruptions: 1, says: "is compressed and has the copied flag"},
	{name: "reserved bits in L1", spoil: func(im *handImage) { im.put(im.l1, im.get(im.l1)|1<<56|1) },
		corruptions: 1, says: "the L1 entry at 0x4000 has reserved bits set"},
	{name: "reserved bits in L2", spoil: func(im *handImage) { im.put(im.entryAt(0), im.entry(0)|1<<60) },
		corruptions: 1, says: "the L2 entry at 0x5000 has reserved bits set"},
	{name: "data not at the start of a cluster", spoil: func(im *handImage) { im.put(im.entryAt(0), im.entry(0)+512) },
		corruptions: 2, says: "not the start of a cluster", left: 1},
	{name: "data just past the end", spoil: func(im *handImage) { im.put(im.entryAt(0), im.end()|copiedFlag) },
		corruptions: 2, leaks: 1, says: "past the end of the file", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "data far past the end", spoil: func(im *handImage) { im.put(im.entryAt(0), 1<<55|copiedFlag) },
		corruptions: 2, leaks: 1, says: "past the end of the file", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "compressed past the end", spoil: func(im *handImage) { im.put(im.entryAt(4), 1<<62|1<<40) },
		corruptions: 1, leaks: 1, says: "compressed cluster at 0x10000000000", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "L2 table not at the start of a cluster", spoil: func(im *handImage) { im.put(im.l1+8, im.l2[1]+512|copiedFlag) },
		corruptions: 1, leaks: 1, says: "L2 table at", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: nextIsEmpty},
	{name: "L2 table past the end", spoil: func(im *handImage) { im.put(im.l1+8, im.end()|copiedFlag) },
		corruptions: 2, leaks: 1, says: "L2 table at", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "two entries, one cluster", spoil: func(im *handImage) { im.put(im.entryAt(0), im.entry(1)) },
		corruptions: 1, leaks: 1, says: "has refcount 1 and 2 references: guest data"},
	{name: "data in an L2 table", spoil: func(im *handImage) { im.put(im.entryAt(0), im.l2[1]|copiedFlag) },
		corruptions: 1, leaks: 1, says: "L2 table and guest data", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "data in the zone table", spoil: func(im *handImage) { im.put(im.entryAt(0), im.zoneTable|copiedFlag) },
		corruptions: 1, leaks: 1, says: "zone table and guest data", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "data in the L1 table", spoil: func(im *handImage) { im.put(im.entryAt(0), im.l1|copiedFlag) },
		corruptions: 1, leaks: 1, says: "L1 table and guest data", left: 1, leftLeaks: 1, leaksStay: true},
	{name: "data in the refcount block", spoil: func(im *handImage) { im.put(im.entryAt(0), im.refBlock|copiedFlag) },
		corruptions: 1, leaks: 1, says: "refcount block and guest data", leaksStay: true, qemuDiffers: qemuBlockTwice},
	{name: "overlap that refcounts agree with", spoil: func(im *handImage) {
		im.put(im.entryAt(0), im.l2[1])
		im.put(im.l1+8, im.l2[1])
		im.setRefcount(im.l2[1], 2)
		im.setRefcount(im.data[0], 0)
	}, corruptions: 1, says: "is used 2 times: L2 table and guest data", left: 1, qemuDiffers: qemuNoOverlaps},
	{name: "refcount block not at the start of a cluster", spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset+8, im.refBlock+512) },
		corruptions: 1, says: "refcount block 1", leaksStay: true, qemuDiffers: qemuGivesUp},
	{name: "refcount block past the end", spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset+8, 1<<50) },
		corruptions: 1, says: "refcount block 1", leaksStay: true},
	{name: "refcount block used twice", spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset+8, im.refBlock) },
		corruptions: 2, says: "also serves as another one", leaksStay: true},
	{name: "refcount block that is data", spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset+8, im.data[0]) },
		corruptions: 1, says: "refcount block and guest data", leaksStay: true, qemuDiffers: qemuBlockTwice},
	{name: "reserved bits in the refcount table", spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset, im.refBlock|1) },
		corruptions: 1, says: "has reserved bits set", leaksStay: true, qemuDiffers: qemuNoEntry},
	{name: "refcount block missing", spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset, 0) },
		corruptions: 17, says: "has refcount 0 and 1 references", qemuDiffers: qemuZoneBlind},
	{name: "refcount block in a hole", spoil: func(im *handImage) { im.check(im.PunchHole(int64(im.refBlock), int64(im.g.clusterSize()))) },
		corruptions: 18, says: "has refcount 0 and 1 references", qemuDiffers: qemuZoneBlind},
	{name: "refcount table elsewhere", spoil: func(im *handImage) { im.h.RefcountTableOffset = 1 << 40; im.writeHeader() },
		corruptions: 1, says: "the refcount table at 0x10000000000", qemuDiffers: qemuGivesUp},
	{name: "file cut short", spoil: func(im *handImage) { im.check(im.Truncate(int64(im.compressed))) },
		corruptions: 2, says: "past the end of the file", left: 2, qemuDiffers: "QEMU lets compressed data end within a cluster behind the file"},
	{name: "file cut within its last cluster", spoil: func(im *handImage) { im.check(im.Truncate(int64(im.end() - 1000))) }},
	{name: "L1 table too short", spoil: func(im *handImage) { im.h.L1Size = 1; im.writeHeader() },
		corruptions: 1, leaks: 1, says: "the L1 table has 1 entries and the disk needs 2", left: 1, qemuDiffers: qemuGivesUp},
	{name: "zone below its start", spoil: func(im *handImage) { im.putZone(3, 2*im.h.Size/handZones) },
		corruptions: 1, says: "zone 3", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "zone past its end", spoil: func(im *handImage) { im.putZone(3, im.h.Size) },
		corruptions: 1, says: "zone 3", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "zone between sectors", spoil: func(im *handImage) { im.putZone(3, 3*im.h.Size/handZones+1) },
		corruptions: 1, says: "no multiple of 512", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "conventional zone too late", spoil: func(im *handImage) { im.putZone(3, 3*im.h.Size/handZones|1<<59) },
		corruptions: 1, says: "calls zone 3 conventional", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "conventional zone missing", spoil: func(im *handImage) { im.putZone(0, 0) },
		corruptions: 1, says: "calls zone 0 sequential", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "two bad zones", spoil: func(im *handImage) { im.putZone(2, 1); im.putZone(5, 1) },
		corruptions: 2, says: "zone 5", left: 2, qemuDiffers: qemuZoneBlind},
	{name: "zone bit without extension", spoil: func(im *handImage) { im.h.Extensions = nil; im.writeHeader() },
		corruptions: 1, leaks: 1, says: "incompatible bit 5", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: qemuZoneBlind},
	{name: "zones read-only and offline", spoil: func(im *handImage) { im.addPrivate(conditionList{{1, 2, ZoneOffline}, {7, 1, ZoneReadOnly}}) }},
	{name: "condition of a conventional zone", spoil: func(im *handImage) { im.addPrivate(conditionList{{0, 2, ZoneOffline}}) },
		corruptions: 1, says: "makes zones 0-1 offline, and the first 1 are conventional", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "condition of a zone behind the last", spoil: func(im *handImage) { im.addPrivate(conditionList{{7, 2, ZoneOffline}}) },
		corruptions: 1, says: "conditions of zones 7-8, and there are 8", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "no condition", spoil: func(im *handImage) { im.addPrivate(conditionList{{5, 1, 3}}) },
		corruptions: 1, says: "zone 5 the condition 0x3", left: 1, qemuDiffers: qemuZoneBlind},
	{name: "zone table past the end", spoil: func(im *handImage) { im.setZoneTable(1 << 40) },
		corruptions: 1, leaks: 1, says: "past the end of the file", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: qemuZoneBlind},
	{name: "zone table not at the start of a cluster", spoil: func(im *handImage) { im.setZoneTable(im.zoneTable + 512) },
		corruptions: 1, leaks: 1, says: "table offset", left: 1, leftLeaks: 1, leaksStay: true, qemuDiffers: qemuZoneBlind},
	{name: "refcounts behind the end", spoil: func(im *handImage) { im.setRefcount(im.end()+8192, 1) },
		says: "1 clusters behind the end of the file have refcounts"},
}

func spoiled(t testing.TB, c checkCase) *handImage {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	c.spoil(im)
	return im
}

func TestCheckReports(t *testing.T) {
	for _, c := range checkCases {
		t.Run(c.name, func(t *testing.T) {
			r := mustCheck(t, spoiled(t, c).Mem, CheckOptions{})
			if r.Corruptions != c.corruptions || r.Leaks != c.leaks || !strings.Contains(text(r), c.says) {
				t.Errorf("want %d corruptions, %d leaks and %q:\n%s", c.corruptions, c.leaks, c.says, text(r))
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
	im := spoiled(t, checkCase{spoil: func(im *handImage) { im.put(im.h.RefcountTableOffset, 0) }})
	r := mustCheck(t, im, CheckOptions{MaxFindings: 3})
	if len(r.Findings) != 3 || r.Omitted != r.Corruptions-3 || !strings.Contains(text(r), "findings more") {
		t.Error(text(r))
	}
}

func TestCheckReportsIOErrors(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	for n := 1; ; n++ {
		rec := storage.NewRecorder(im.Mem)
		rec.Inject(storage.Fault{Kind: storage.OpRead, Nth: n, Err: unix.EIO})
		r, err := Check(rec, CheckOptions{})
		if err == nil {
			if n < 6 {
				t.Errorf("only %d reads", n)
			}
			return
		}
		if !errors.Is(err, ErrCheck) || !errors.Is(err, unix.EIO) || r == nil {
			t.Fatalf("read %d fails: %v, %v", n, r, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	im.h.Incompatible |= 1 << 17
	im.writeHeader()
	cases := map[string]struct {
		f    storage.File
		says string
	}{
		"unknown feature": {im, "unknown feature bit 17"},
		"text file":       {storage.NewMem([]byte("hello")), ErrNotQcow2.Error()},
		"empty file":      {new(storage.Mem), ErrNotQcow2.Error()},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Check(c.f, CheckOptions{Repair: RepairAll})
			if !errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}

func TestCheckMemoryIsBounded(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 9, order: 4})
	im.check(im.Truncate(1 << 50))
	for i := range im.g.l2Entries() { // far apart: each is a run of its own
		im.put(im.entryAt(i), (i+1)<<30)
	}
	_, err := Check(im, CheckOptions{Memory: 2 << 10})
	if !errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), "memory") {
		t.Error(err)
	}
	if _, err := Check(im, CheckOptions{Memory: 1 << 20}); err != nil {
		t.Error(err)
	}
}

func TestReportJSON(t *testing.T) {
	var b strings.Builder
	r := mustCheck(t, spoiled(t, checkCases[0]), CheckOptions{})
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"leaks": 1`, `"corruptions": 0`, `"severity": "leak"`, fmt.Sprintf(`"image-end-offset": %d`, r.ImageEndOffset)} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}
