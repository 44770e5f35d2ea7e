// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"zqublkd/internal/heaptest"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// malformed is an image with one field wrong.
type malformed struct {
	field string
	of    func(t testing.TB) *qcow2test.Image
	at    func(im *qcow2test.Image) uint64 // byte offset in the file
	width int
	value uint64
	says  string // of the field, in the error or finding
}

func plainHand(t testing.TB) *qcow2test.Image {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true})
	im.AddBitmap()
	return im
}

func zonedHand(t testing.TB) *qcow2test.Image {
	return qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
}

func snapshotHand(t testing.TB) *qcow2test.Image {
	return qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true, Snapshot: true})
}

func extendedHand(t testing.TB) *qcow2test.Image {
	return qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 14, Order: 4, Plain: true, Extended: true})
}

func inHeader(at uint64) func(*qcow2test.Image) uint64 {
	return func(*qcow2test.Image) uint64 { return at }
}

// inExtension is a byte of the data of a header extension.
func inExtension(kind format.ExtensionType, at int) func(*qcow2test.Image) uint64 {
	return func(im *qcow2test.Image) uint64 {
		magic := binary.BigEndian.AppendUint32(nil, uint32(kind))
		k := strings.Index(string(im.Bytes()[:1<<im.G.ClusterBits]), string(magic))
		if k < 0 {
			im.T.Fatalf("no extension %#x", uint32(kind))
		}
		return uint64(k + format.ExtensionHeader + at)
	}
}

func inZoned(f format.ZoneField) func(*qcow2test.Image) uint64 {
	return inExtension(format.ExtZoned, f.At)
}

func inRefTable(im *qcow2test.Image) uint64 { return im.H.RefcountTableOffset }
func inL1(im *qcow2test.Image) uint64       { return im.L1 }
func inL2(im *qcow2test.Image) uint64       { return im.EntryAt(1) }
func inL2Bitmap(im *qcow2test.Image) uint64 { return im.EntryAt(1) + 8 }
func inZones(im *qcow2test.Image) uint64    { return im.ZoneTable + 2*format.ZoneEntrySize }

func inSnapshot(at uint64) func(*qcow2test.Image) uint64 {
	return func(im *qcow2test.Image) uint64 { return im.Snapshots + at }
}

func inBitmaps(at uint64) func(*qcow2test.Image) uint64 {
	return func(im *qcow2test.Image) uint64 { return im.Get(inExtension(format.ExtBitmaps, 16)(im)) + at }
}

var malformedImages = []malformed{
	{"magic", plainHand, inHeader(0), 4, 0x51464900, "not a qcow2 image"},
	{"version", plainHand, inHeader(4), 4, 0x1, "qcow2 version"},
	{"version", plainHand, inHeader(4), 4, 0x4, "qcow2 version"},
	{"backing file offset", plainHand, inHeader(8), 8, 0x10000000000, "backing file name"},
	{"cluster bits", plainHand, inHeader(20), 4, 0x0, "cluster_bits"},
	{"cluster bits", plainHand, inHeader(20), 4, 0x8, "cluster_bits"},
	{"cluster bits", plainHand, inHeader(20), 4, 0x16, "cluster_bits"},
	{"cluster bits", plainHand, inHeader(20), 4, 0x40, "cluster_bits"},
	{"size", plainHand, inHeader(24), 8, 0x8000000000000000, "which no disk has"},
	{"size", plainHand, inHeader(24), 8, 0x7ffffffffffffe00, "for a disk of"},
	{"size", plainHand, inHeader(24), 8, 0x4000000000000, "for a disk of"},
	{"encryption method", plainHand, inHeader(32), 4, 0x1, "encryption"},
	{"encryption method", plainHand, inHeader(32), 4, 0x2, "encryption"},
	{"encryption method", plainHand, inHeader(32), 4, 0x9, "encryption"},
	{"L1 size", plainHand, inHeader(36), 4, 0x0, "L1 table has"},
	{"L1 size", plainHand, inHeader(36), 4, 0x1, "L1 table has"},
	{"L1 size", plainHand, inHeader(36), 4, 0xffffffff, "L1 table has"},
	{"L1 size", plainHand, inHeader(36), 4, 0x400001, "L1 table has"},
	{"L1 table offset", plainHand, inHeader(40), 8, 0x0, "L1 table"},
	{"L1 table offset", plainHand, inHeader(40), 8, 0x5, "L1 table"},
	{"L1 table offset", plainHand, inHeader(40), 8, 0x10000000000, "L1 table"},
	{"L1 table offset", plainHand, inHeader(40), 8, 0xfffffffffffff000, "L1 table"},
	{"refcount table offset", plainHand, inHeader(48), 8, 0x0, "refcount table"},
	{"refcount table offset", plainHand, inHeader(48), 8, 0x7, "refcount table"},
	{"refcount table offset", plainHand, inHeader(48), 8, 0x10000000000, "refcount table"},
	{"refcount table offset", plainHand, inHeader(48), 8, 0xfffffffffffff000, "refcount table"},
	{"refcount table clusters", plainHand, inHeader(56), 4, 0x0, "refcount table has"},
	{"refcount table clusters", plainHand, inHeader(56), 4, 0x1001, "refcount table has"},
	{"refcount table clusters", plainHand, inHeader(56), 4, 0xffffffff, "refcount table has"},
	{"number of snapshots", plainHand, inHeader(60), 4, 0x1, "snapshot"},
	{"number of snapshots", plainHand, inHeader(60), 4, 0x10000, "snapshot"},
	{"number of snapshots", plainHand, inHeader(60), 4, 0x10001, "snapshot"},
	{"number of snapshots", plainHand, inHeader(60), 4, 0xffffffff, "snapshot"},
	{"snapshot table offset", snapshotHand, inHeader(64), 8, 0xc, "snapshot table"},
	{"snapshot table offset", snapshotHand, inHeader(64), 8, 0x10000000000, "snapshot table"},
	{"snapshot table offset", snapshotHand, inHeader(64), 8, 0xfffffffffffffff8, "snapshot table"},
	{"incompatible bit 0", plainHand, inHeader(72), 8, 0x1, "incompatible bit 0"},
	{"incompatible bit 1", plainHand, inHeader(72), 8, 0x2, "incompatible bit 1"},
	{"incompatible bit 2", plainHand, inHeader(72), 8, 0x4, "external data file"},
	{"incompatible bit 6", plainHand, inHeader(72), 8, 0x40, "unknown feature bit 6"},
	{"incompatible bit 63", plainHand, inHeader(72), 8, 0x8000000000000000, "unknown feature bit 63"},
	{"refcount order", plainHand, inHeader(96), 4, 0x7, "refcount"},
	{"refcount order", plainHand, inHeader(96), 4, 0xffffffff, "refcount"},
	{"header length", plainHand, inHeader(100), 4, 0x0, "header"},
	{"header length", plainHand, inHeader(100), 4, 0x64, "header"},
	{"header length", plainHand, inHeader(100), 4, 0x1001, "header"},
	{"header length", plainHand, inHeader(100), 4, 0xffffffff, "header"},
	{"extension length", plainHand, inExtension(format.ExtBitmaps, -4), 4, 0xffffffff, "header extension"},
	{"refcount table entry", plainHand, inRefTable, 8, 0x1, "refcount table entry"},
	{"refcount table entry", plainHand, inRefTable, 8, 0x10000000000, "refcount table entry"},
	{"L1 entry", plainHand, inL1, 8, 0x8000000000000001, "L1 entry"},
	{"L1 entry", plainHand, inL1, 8, 0x8000010000000000, "L1 entry"},
	{"L1 entry", plainHand, inL1, 8, 0x8000000000000200, "L1 entry"},
	{"L1 entry", plainHand, inL1, 8, 0x8000000000000000, "L1 entry"},
	{"L2 entry", plainHand, inL2, 8, 0x8000010000000000, "L2 entry"},
	{"L2 entry", plainHand, inL2, 8, 0x8000000000001000, "L2 entry"},
	{"L2 entry", plainHand, inL2, 8, 0x8000000000000200, "L2 entry"},
	{"L2 entry", plainHand, inL2, 8, 0x8000000000000002, "L2 entry"},
	{"L2 entry", plainHand, inL2, 8, 0xffffffffffffffff, "L2 entry"},
	{"subcluster bitmap", extendedHand, inL2Bitmap, 8, 0xffffffffffffffff, "L2 entry"},
	{"L2 entry of subclusters", extendedHand, inL2, 8, 0x0, "L2 entry"},
	{"L2 zero bit of subclusters", extendedHand, inL2, 8, 0x8000000000000001, "L2 entry"},
	{"zoned model", zonedHand, inZoned(format.LayoutV6.Model), 1, 0x0, "zone model"},
	{"zoned model", zonedHand, inZoned(format.LayoutV6.Model), 1, 0x2, "zone model"},
	{"zoned zoneSize", zonedHand, inZoned(format.LayoutV6.ZoneSize), 4, 0x0, "zone size"},
	{"zoned zoneSize", zonedHand, inZoned(format.LayoutV6.ZoneSize), 4, 0x1, "zone size"},
	{"zoned zoneSize", zonedHand, inZoned(format.LayoutV6.ZoneSize), 4, 0x80000000, "zone size"},
	{"zoned zoneCapacity", zonedHand, inZoned(format.LayoutV6.ZoneCapacity), 4, 0x0, "zone capacity"},
	{"zoned zoneCapacity", zonedHand, inZoned(format.LayoutV6.ZoneCapacity), 4, 0x201, "zone capacity"},
	{"zoned zoneCapacity", zonedHand, inZoned(format.LayoutV6.ZoneCapacity), 4, 0xffffffff, "zone capacity"},
	{"zoned conventional", zonedHand, inZoned(format.LayoutV6.Conventional), 4, 0x9, "conventional zones"},
	{"zoned conventional", zonedHand, inZoned(format.LayoutV6.Conventional), 4, 0xffffffff, "conventional zones"},
	{"zoned zones", zonedHand, inZoned(format.LayoutV6.Zones), 4, 0x0, "zones of"},
	{"zoned zones", zonedHand, inZoned(format.LayoutV6.Zones), 4, 0x7, "zones of"},
	{"zoned zones", zonedHand, inZoned(format.LayoutV6.Zones), 4, 0xffffffff, "zones of"},
	{"zoned tableSize", zonedHand, inZoned(format.LayoutV6.TableSize), 8, 0x0, "table of"},
	{"zoned tableSize", zonedHand, inZoned(format.LayoutV6.TableSize), 8, 0x10000000000, "table of"},
	{"zoned tableOffset", zonedHand, inZoned(format.LayoutV6.TableOffset), 8, 0x0, "table offset"},
	{"zoned tableOffset", zonedHand, inZoned(format.LayoutV6.TableOffset), 8, 0x1, "table offset"},
	{"zoned tableOffset", zonedHand, inZoned(format.LayoutV6.TableOffset), 8, 0x10000000000, "table at"},
	{"zoned tableOffset", zonedHand, inZoned(format.LayoutV6.TableOffset), 8, 0xfffffffffffff000, "table at"},
	{"zoned tableOffset", zonedHand, inZoned(format.LayoutV6.TableOffset), 8, 0x1000, "table at"},
	{"zone entry", zonedHand, inZones, 8, 0x1, "zone table"},
	{"zone entry", zonedHand, inZones, 8, 0x10000000000, "zone table"},
	{"zone entry", zonedHand, inZones, 8, 0x10000000200, "zone table"},
	{"zone entry", zonedHand, inZones, 8, 0x0, "zone table"},
	{"zone type bit", zonedHand, inZones, 8, 0x8, "zone table"},
	{"snapshot's L1 offset", snapshotHand, inSnapshot(0), 8, 0xc, "L1 table"},
	{"snapshot's L1 offset", snapshotHand, inSnapshot(0), 8, 0x10000000000, "L1 table"},
	{"snapshot's L1 size", snapshotHand, inSnapshot(8), 4, 0xffffffff, "L1 table"},
	{"snapshot's id size", snapshotHand, inSnapshot(12), 2, 0xffff, "snapshot table"},
	{"snapshot's extra size", snapshotHand, inSnapshot(36), 4, 0xffffffff, "snapshot table"},
	{"snapshot's extra size", snapshotHand, inSnapshot(36), 4, 0x0, "snapshot table"},
	{"number of bitmaps", plainHand, inExtension(format.ExtBitmaps, 0), 4, 0xffffffff, "bitmap directory"},
	{"bitmap directory size", plainHand, inExtension(format.ExtBitmaps, 8), 8, 0x10000000000, "bitmap directory"},
	{"bitmap directory offset", plainHand, inExtension(format.ExtBitmaps, 16), 8, 0x10000000000, "bitmap directory"},
	{"bitmap table offset", plainHand, inBitmaps(0), 8, 0x10000000000, "bitmap table"},
	{"bitmap table size", plainHand, inBitmaps(8), 4, 0xffffffff, "table of 4294967295 entries"},
	{"bitmap name size", plainHand, inBitmaps(18), 2, 0xffff, "bitmap directory"},
	{"bitmap extra size", plainHand, inBitmaps(20), 4, 0xffffffff, "bitmap directory"},
}

func (m malformed) make(t testing.TB) *qcow2test.Image {
	im := m.of(t)
	b := binary.BigEndian.AppendUint64(nil, m.value)
	im.Write(b[8-m.width:], m.at(im))
	return im
}

// everything does all that can be done with an image and returns what is said.
func everything(m *storagetest.Mem) []string {
	var said []string
	say := func(err error) {
		if err != nil {
			said = append(said, err.Error())
		}
	}
	i, err := Open(m, OpenOptions{ReadOnly: true, Lenient: true})
	say(err)
	if err == nil {
		i.JudgeWriting()
		for _, r := range i.Obstacles() {
			say(r.Err)
		}
		_, err = i.WouldMend()
		say(err)
		say(i.EachSnapshot(func(format.Snapshot) error { return nil }))
		say(i.EachZone(func(uint32, format.ZoneEntry) error { return nil }))
		say(few(i.Map))
		if i.size <= 1<<40 {
			say(readStored(i))
		}
	}
	for _, repair := range []check.Repair{check.RepairNone, check.RepairLeaks, check.RepairAll} {
		r, err := check.Check(m.Clone(), check.Options{Repair: repair})
		say(err)
		if r != nil {
			for _, f := range r.Findings {
				said = append(said, f.Text)
			}
		}
	}
	w := m.Clone()
	if i, err = Open(w, OpenOptions{}); err == nil {
		useAll(i)
		err = i.Failed()
		if errors.Is(err, errClosed) {
			err = nil
		}
	}
	say(err)
	_, err = Amend(m.Clone(), AmendOptions{Revision: "v8"})
	say(err)
	return said
}

// few maps no more than a million runs.
func few(all func(func(Mapped) error) error) error {
	enough, n := errors.New("enough"), 0
	err := all(func(Mapped) error {
		if n++; n > 1<<20 {
			return enough
		}
		return nil
	})
	if err == enough {
		return nil
	}
	return err
}

// TestMalformed: whatever is wrong with a field, what is said names it, nothing
// panics or hangs, and nothing takes memory out of proportion to the file.
func TestMalformed(t *testing.T) {
	if len(malformedImages) < 80 {
		t.Errorf("%d images", len(malformedImages))
	}
	sound := soundImages(t)
	for _, m := range malformedImages {
		t.Run(strings.ReplaceAll(fmt.Sprintf("%s=%#x", m.field, m.value), " ", "_"), func(t *testing.T) {
			im := m.make(t)
			var said []string
			heaptest.Bounded(t, int64(len(im.Bytes())), func() { said = everything(im.Mem) })
			if all := strings.Join(said, "\n"); !strings.Contains(all, m.says) {
				t.Errorf("want %q in\n%s", m.says, all)
			}
			if strings.Contains(sound, m.says) {
				t.Errorf("%q is said of sound images, too:\n%s", m.says, sound)
			}
		})
	}
}

// soundImages is what is said of the images before a field is made wrong.
func soundImages(t *testing.T) string {
	var said []string
	for _, of := range []func(testing.TB) *qcow2test.Image{plainHand, zonedHand, snapshotHand, extendedHand} {
		said = append(said, everything(of(t).Mem)...)
	}
	return strings.Join(said, "\n")
}

// readStored reads all that is stored, as export does.
func readStored(i *Image) error {
	if err := i.Refused(UseRead); err != nil {
		return err
	}
	view, p := i.ZonedView(), make([]byte, 1<<20)
	for off := uint64(0); off < i.size; {
		next, err := view.NextStored(off)
		if err != nil {
			return err
		}
		off = max(off, i.geo.ClusterStart(next))
		n := min(uint64(len(p)), i.size-off)
		if err := view.ReadByRule(p[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}
