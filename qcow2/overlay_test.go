// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

const goldenZone = 256 << 10 // bytes

// golden is an image of eight zones, the first conventional, with data below its
// write pointers and, in zone 5, above.
func golden(t testing.TB, o CreateOptions, disk []byte) *storagetest.Mem {
	t.Helper()
	m := new(storagetest.Mem)
	if o.Size == 0 {
		o.Size = 8 * goldenZone
	}
	if o.Zone == nil {
		o.Zone = &ZoneOptions{Capacity: 192 << 10, MaxActive: 6, MaxOpen: 4}
	}
	o.Zone.Size, o.Zone.Conventional = goldenZone, 1
	i := create(t, m, o)
	for k, n := range []uint64{8192, 0, 192 << 10, 68 << 10, 4096, 0, 100 << 10, 192 << 10} {
		at := uint64(k) * goldenZone
		p := qcow2test.Pattern(at, n)
		copy(disk[at:], p)
		must(t, i.WriteAt(p, at))
		if k > 0 {
			must(t, i.WriteZoneSlots([]format.ZoneSlot{{Zone: uint32(k), WP: at + n}}))
		}
	}
	must(t, i.WriteAt(qcow2test.Pattern(7, 8192), 5*goldenZone))
	must(t, i.SetZoneConditions(format.ConditionRun{First: 3, Zones: 1, Condition: format.ZoneReadOnly}, format.ConditionRun{First: 6, Zones: 2, Condition: format.ZoneOffline}))
	must(t, i.Close())
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// onBase are options for an overlay of an image.
func onBase(t testing.TB, base storage.File, name string) *BackingOptions {
	t.Helper()
	i, err := Open(base, OpenOptions{ReadOnly: true, Lenient: true})
	must(t, err)
	return &BackingOptions{Name: name, Format: "qcow2", Image: i}
}

// openOver opens an overlay of images, the lowest first.
func openOver(t testing.TB, m storage.File, below ...storage.File) *Image {
	t.Helper()
	i, err := tryOver(m, OpenOptions{}, below...)
	must(t, err)
	return i
}

func tryOver(m storage.File, o OpenOptions, below ...storage.File) (*Image, error) {
	for _, f := range below {
		i, err := Open(f, OpenOptions{ReadOnly: true, Base: o.Base})
		if err != nil {
			return nil, err
		}
		if o.Base, err = BaseImage(i); err != nil {
			return nil, err
		}
	}
	return Open(m, o)
}

// An overlay has the zones of its base as they are, in whatever layout, and reads
// as it; so has an overlay of the overlay.
func TestOverlayHasTheZonesOfItsBase(t *testing.T) {
	for _, revision := range append(format.Revisions, "") {
		t.Run(revision, func(t *testing.T) {
			disk := make([]byte, 8*goldenZone)
			base := golden(t, CreateOptions{ClusterSize: 4096, LogicalBlockSize: 512, Zone: &ZoneOptions{Revision: "v8", Capacity: 192 << 10, MaxOpen: 4, MaxActive: 6}}, disk)
			was := bytes.Clone(base.Bytes())
			o := CreateOptions{Backing: onBase(t, base, "golden"), Zone: &ZoneOptions{Revision: revision}}
			if revision == "" {
				o.Zone, revision = nil, "v8"
			}
			lower, top := new(storagetest.Mem), new(storagetest.Mem)
			must(t, Create(lower, o))
			must(t, Create(top, CreateOptions{ClusterSize: 512, Backing: onBase(t, lower, "lower")}))
			i, b := openOver(t, top, base, lower), o.Backing.Image
			if !slices.Equal(entriesOf(t, i.table), entriesOf(t, b.table)) {
				t.Error("other write pointers")
			}
			if !slices.Equal(i.ZoneConditions(), b.ZoneConditions()) {
				t.Error("other conditions")
			}
			z, want := i.Zoned(), b.Zoned()
			if z.ZoneLimits != want.ZoneLimits || z.ZoneCapacity != want.ZoneCapacity || z.Conventional != 1 || i.LogicalBlockSize() != 512 || z.Revision != revision {
				t.Errorf("%+v over %+v", z, want)
			}
			copy(disk[5*goldenZone:], qcow2test.Pattern(7, 8192)) // as it is stored
			mustRead(t, i, disk)
			must(t, i.Close())
			qcow2test.MustBeSound(t, lower, true)
			qcow2test.MustBeSound(t, top, true)
			if !bytes.Equal(base.Bytes(), was) {
				t.Error("the base has changed")
			}
		})
	}
}

func TestOverlayRefuses(t *testing.T) {
	base := golden(t, CreateOptions{}, make([]byte, 8*goldenZone))
	plain := new(storagetest.Mem)
	create(t, plain, CreateOptions{Size: 1 << 20})
	for _, c := range []struct {
		name string
		base storage.File
		o    CreateOptions
		file string
		says string
	}{
		{"size", base, CreateOptions{Size: 4 * goldenZone}, "b", "image it is made of, 2097152"},
		{"zone options", base, CreateOptions{Zone: &ZoneOptions{Size: 1 << 20}}, "b", "zone.revision and zone.counters only"},
		{"logical block", base, CreateOptions{LogicalBlockSize: 512}, "b", "image it is made of, 4096"},
		{"clusters above a zone", base, CreateOptions{ClusterSize: 512 << 10}, "b", "multiple of cluster_size"},
		{"no name", base, CreateOptions{}, "", "leads to no file"},
		{"zero in the name", base, CreateOptions{}, "a\x00b", "leads to no file"},
		{"long name", base, CreateOptions{}, strings.Repeat("x", 1024), "room for 1023"},
		{"zones over a plain image", plain, CreateOptions{Zone: &ZoneOptions{}}, "b", "the backing file has no zones"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(storagetest.Mem)
			c.o.Backing = onBase(t, c.base, c.file)
			mustSay(t, Create(m, c.o), format.ErrOption, c.says)
			if size, _ := m.Size(); size != 0 {
				t.Error("something was written")
			}
		})
	}
	o := CreateOptions{ClusterSize: 512, Backing: onBase(t, base, strings.Repeat("x", 400))}
	if err := Create(new(storagetest.Mem), o); err == nil || !strings.Contains(err.Error(), "larger cluster_size") {
		t.Errorf("a name that the header has no room for: %v", err)
	}
}

// Zones and those of the backing file go together, whatever the header names.
func TestOverlayOpensOverItsBaseOnly(t *testing.T) {
	base := golden(t, CreateOptions{}, make([]byte, 8*goldenZone))
	plain, top, plainTop, other := new(storagetest.Mem), new(storagetest.Mem), new(storagetest.Mem), new(storagetest.Mem)
	create(t, plain, CreateOptions{Size: 8 * goldenZone})
	must(t, Create(top, CreateOptions{Backing: onBase(t, base, "base")}))
	must(t, Create(plainTop, CreateOptions{Backing: onBase(t, plain, "plain")}))
	create(t, other, CreateOptions{Size: 16 * goldenZone, Zone: &ZoneOptions{Size: 2 * goldenZone}})
	for _, c := range []struct {
		top, base storage.File
		says      string
	}{
		{top, plain, "a zoned image over a plain one"},
		{plainTop, base, "a plain image over a zoned one"},
		{top, other, "8 zones (size 262144, capacity 196608, 1 conventional) over 8 others (size 524288"},
	} {
		_, err := tryOver(c.top, OpenOptions{}, c.base)
		mustSay(t, err, format.ErrUnsupported, c.says)
	}
	_, err := Open(top, OpenOptions{})
	mustSay(t, err, ErrNotFollowed, "--allow-backing")
	if i, err := tryOver(top, OpenOptions{ReadOnly: true, IgnoreZones: true}, base); err != nil || i.Zoned() != nil {
		t.Errorf("without zones: %v", err)
	}
}

// What grows in the header never reaches the name of the backing file.
func TestOverlayKeepsTheNameOfItsBase(t *testing.T) {
	base := golden(t, CreateOptions{Size: 512 * goldenZone, ClusterSize: 4096}, make([]byte, 8*goldenZone))
	name := strings.Repeat("n", 900)
	behind := func(m *storagetest.Mem, h *format.Header) { // the name, as other programs place it
		b := m.Bytes()[:h.ClusterSize()]
		at := h.Length() + uint64(len(format.AppendExtensions(nil, h.Extensions)))
		clear(b[h.ClusterSize()-uint64(len(name)):])
		copy(b[at:], name)
		b[14], b[15] = byte(at>>8), byte(at)
		m.WriteAt(b, 0)
	}
	for what, place := range map[string]func(*storagetest.Mem, *format.Header){"ours": nil, "right behind the extensions": behind} {
		t.Run(what, func(t *testing.T) {
			m := new(storagetest.Mem)
			must(t, Create(m, CreateOptions{ClusterSize: 4096, Backing: onBase(t, base, name)}))
			if place != nil {
				h, err := ReadHeader(m)
				must(t, err)
				place(m, h)
			}
			refused := false
			for k := uint32(10); k < 400 && !refused; k += 2 {
				i := openOver(t, m, base)
				err := i.SetZoneConditions(format.ConditionRun{First: k, Zones: 1, Condition: format.ZoneOffline})
				if refused = err != nil; refused {
					mustSay(t, err, format.ErrUnsupported, "fewer runs")
				}
				must(t, i.Close())
				h, err := ReadHeader(m)
				must(t, err)
				if h.BackingFile != name || h.BackingFormat() != "qcow2" {
					t.Fatalf("after a condition for zone %d the backing file is %q", k, h.BackingFile)
				}
			}
			if !refused {
				t.Error("there was always room")
			}
			qcow2test.MustBeSound(t, m, true)
		})
	}
}

// A chain, written to at its top: qemu-img finds nothing wrong and reads what we
// read.
func TestOverlayAndQEMU(t *testing.T) {
	dir := t.TempDir()
	path := func(k int) string { return filepath.Join(dir, fmt.Sprint("layer", k)) }
	disk := make([]byte, 8*goldenZone)
	below := []storage.File{golden(t, CreateOptions{ClusterSize: 4096}, disk)}
	copy(disk[5*goldenZone:], qcow2test.Pattern(7, 8192))
	for k, o := range []CreateOptions{{}, {ClusterSize: 512}, {ClusterSize: 16384, ExtendedL2: true}} {
		m := new(storagetest.Mem)
		o.Backing = onBase(t, below[k], filepath.Base(path(k)))
		must(t, Create(m, o))
		i := openOver(t, m, below...)
		scribble(t, i, disk, uint64(k))
		mustRead(t, i, disk)
		must(t, i.Close())
		below = append(below, m)
	}
	for k, m := range below {
		plain := qcow2test.PlainCopy(t, m.(*storagetest.Mem))
		must(t, os.Rename(plain, path(k)))
	}
	for k, m := range below[1:] {
		if v := qcow2test.QemuCheckFile(t, path(k+1)); v.Corruptions != 0 || v.Errors != 0 || v.Leaks != 1 {
			t.Errorf("layer %d: qemu-img check says %+v", k+1, v)
		}
		qcow2test.MustBeSound(t, m, true)
	}
	qemu(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", path(3), filepath.Join(dir, "raw"))
	got, err := os.ReadFile(filepath.Join(dir, "raw"))
	must(t, err)
	if !bytes.Equal(got, disk) {
		t.Errorf("qemu-img reads something else: %s", firstDifference(got, disk))
	}
}

// Zeros hide a zone of 2 GiB that is full below in bounded time and space, and
// nothing of it shows afterwards, whatever is written.
func TestOverlayHidesALargeZone(t *testing.T) {
	const zone = 2 << 30
	base, m := new(storagetest.Mem), new(storagetest.Mem)
	i := create(t, base, CreateOptions{Size: 2 * zone, Zone: &ZoneOptions{Size: zone}})
	must(t, i.Ensure(0, zone, 0))
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		must(t, i.WriteAt(qcow2test.Pattern(3, 4096), rng.Uint64N(zone/4096)*4096))
	}
	must(t, i.WriteZoneSlots([]format.ZoneSlot{{Zone: 0, WP: zone}}))
	must(t, i.Close())
	must(t, Create(m, CreateOptions{Backing: onBase(t, base, "base")}))
	i = openOver(t, m, base)
	before, _ := m.Size()
	began := time.Now()
	must(t, i.MakeZero(0, zone))
	took := time.Since(began)
	after, _ := m.Size()
	if grown := after - before; grown > 5*64<<10 || took > 5*time.Second {
		t.Errorf("it took %v and %d bytes", took, grown)
	}
	t.Logf("2 GiB hidden in %v, %d bytes", took, after-before)
	p := make([]byte, 1<<20)
	must(t, i.WriteAt(qcow2test.Pattern(9, 4096), 0))
	for off := uint64(4096); off < zone; off += uint64(len(p)) {
		n := min(zone-off, uint64(len(p)))
		must(t, i.ReadAt(p[:n], off))
		if !format.IsZero(p[:n]) {
			t.Fatalf("data shows within 1 MiB from %d", off)
		}
	}
	must(t, i.Close())
	qcow2test.MustBeSound(t, m, true)
}

// manyZones is a base of 16384 zones that are all part-written.
func manyZones(t testing.TB) *storagetest.Mem {
	m := new(storagetest.Mem)
	i := create(t, m, CreateOptions{Size: 16384 * 256 << 20, Zone: &ZoneOptions{}})
	slots := make([]format.ZoneSlot, 16384)
	for k := range slots {
		slots[k] = format.ZoneSlot{Zone: uint32(k), WP: uint64(k)*256<<20 + 4096}
	}
	must(t, errors.Join(i.WriteZoneSlots(slots), i.Close()))
	return m
}

// An overlay of as many zones as can be served is small.
func TestOverlayIsSmall(t *testing.T) {
	base, m := manyZones(t), new(storagetest.Mem)
	must(t, Create(m, CreateOptions{Backing: onBase(t, base, "base")}))
	if size, _ := m.Size(); size > 1<<20 {
		t.Errorf("%d bytes", size)
	}
}

// BenchmarkOverlay makes and removes an overlay of 16384 zones in the folder for
// temporary files.
func BenchmarkOverlay(b *testing.B) {
	base := filepath.Join(b.TempDir(), "base")
	must(b, os.WriteFile(base, manyZones(b).Bytes(), 0o600))
	for k := 0; b.Loop(); k++ {
		f, err := storage.Open(base, storage.Options{ReadOnly: true})
		must(b, err)
		path := fmt.Sprint(base, ".", k)
		out, err := storage.Create(path, false)
		must(b, err)
		must(b, Create(out, CreateOptions{Backing: onBase(b, f, base)}))
		must(b, errors.Join(out.Close(), f.Close(), os.Remove(path)))
	}
}
