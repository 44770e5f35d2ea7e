// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// zonesAndBytes is all that a conversion must keep.
type zonesAndBytes struct {
	Zones   []format.ZoneEntry // but for how they are stored
	Content string
	Other   []format.Extension // but for the zoned one
}

func contentsOf(t testing.TB, f storage.File) (*format.ZonedInfo, zonesAndBytes) {
	t.Helper()
	i, err := Open(f, OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	s := zonesAndBytes{Content: content(t, i)}
	for k, e := range entriesOf(t, i.table) {
		s.Zones = append(s.Zones, format.ZoneEntry{WP: min(e.WP, i.Zoned().WritableEnd(uint32(k))), Conventional: e.Conventional})
	}
	for _, kind := range []format.ExtensionType{format.ExtPrivate, 77, format.ExtFeatureNames} {
		for _, data := range format.FindExtensions(i.Header().Extensions, kind) {
			s.Other = append(s.Other, format.Extension{Type: kind, Data: data})
		}
	}
	return i.Zoned(), s
}

// round is a way through all layouts, from each to others older and younger.
var round = []string{"v8", "v11", "v14", "v6", "v14", "v8", "v6", "v11", "v6"}

// amendRound converts m through all layouts; after each it holds the same.
func amendRound(t *testing.T, m *storagetest.Mem) {
	before, want := contentsOf(t, m)
	limits := before.Stored
	for _, to := range round {
		done, err := Amend(m, AmendOptions{Revision: to})
		if err != nil || done.From != before.Revision || done.To != to || done.Changed != (before.Revision != to) {
			t.Fatalf("to %s: %+v, %v", to, done, err)
		}
		if loses := to == "v14" && limits.MaxAppendBytes != 0; loses != (len(done.Lost) == 1) {
			t.Errorf("to %s: lost %q", to, done.Lost)
		}
		if to == "v14" {
			limits.MaxAppendBytes = 0
		}
		after, got := contentsOf(t, m)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("to %s: %s", to, diff)
		}
		expect := *before
		expect.Revision, expect.Stored = to, limits
		expect.MaxAppendBytes = limits.MaxAppendBytes
		expect.TableOffset, expect.BigEndian = after.TableOffset, format.LayoutNamed(to).BigEndian
		if *after != expect {
			t.Fatalf("to %s: %+v, want %+v", to, after, expect)
		}
		qcow2test.MustBeSound(t, m, true)
		before = after
	}
}

func TestAmendVectors(t *testing.T) {
	for _, v := range qcow2test.Vectors(t, "testdata") {
		t.Run(v.File, func(t *testing.T) {
			t.Parallel()
			m := v.Image(t)
			if v.File == "v6/g10-gt4g.qcow2.gz" {
				_, err := Amend(m, AmendOptions{Revision: "v8"})
				mustSay(t, err, ErrWrapped, "check --repair all")
				return
			}
			amendRound(t, m)
		})
	}
}

// amendImages are images whose zone table or header is unlike those of others.
func amendImages() map[string]CreateOptions {
	zones := func(o CreateOptions, zones uint64, z ZoneOptions) CreateOptions {
		o.Size, o.Zone = zones*z.Size, &z
		return o
	}
	limited := ZoneOptions{Size: 256 << 10, Capacity: 192 << 10, Conventional: 2, MaxOpen: 3, MaxActive: 4, MaxAppendBytes: 64 << 10}
	return map[string]CreateOptions{
		"clusters of 64K":     zones(CreateOptions{}, 12, limited),
		"clusters of 4K":      zones(CreateOptions{ClusterSize: 4096}, 12, limited),
		"clusters of 512":     zones(CreateOptions{ClusterSize: 512, LogicalBlockSize: 512}, 12, limited),
		"clusters of a zone":  zones(CreateOptions{ClusterSize: 256 << 10}, 12, limited),
		"table of clusters":   zones(CreateOptions{ClusterSize: 512, LogicalBlockSize: 512}, 3000, ZoneOptions{Size: 8192}),
		"refcounts of 1 bit":  zones(CreateOptions{RefcountBits: 1}, 12, limited),
		"refcounts of 64 bit": zones(CreateOptions{RefcountBits: 64, ClusterSize: 512}, 1000, ZoneOptions{Size: 8192}),
		"subclusters":         zones(CreateOptions{ExtendedL2: true}, 12, limited),
	}
}

// newAmendImage has written, full and empty zones, and an extension nobody
// knows.
func newAmendImage(t testing.TB, o CreateOptions) *storagetest.Mem {
	m := new(storagetest.Mem)
	i := create(t, m, o)
	z := i.Zoned()
	last := z.Zones - 1
	for k, n := range map[uint32]uint64{z.Conventional + 1: 4096, z.Conventional + 3: z.ZoneCapacity, last: 512} {
		if err := i.WriteAt(qcow2test.Pattern(uint64(k), n), z.ZoneStart(k)); err != nil {
			t.Fatal(err)
		}
		if err := i.WriteZoneSlots([]format.ZoneSlot{{Zone: k, WP: z.ZoneStart(k) + n}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, m, func(h *format.Header) {
		h.Extensions = append(h.Extensions, format.Extension{Type: 77, Data: []byte("who knows")})
	})
	return m
}

func TestAmend(t *testing.T) {
	for name, o := range amendImages() {
		t.Run(name, func(t *testing.T) { amendRound(t, newAmendImage(t, o)) })
	}
}

// TestAmendCrash stops conversions after every operation on the file, with what
// no barrier covers kept, lost, torn or reordered: the image is the old or the
// new one.
func TestAmendCrash(t *testing.T) {
	for name, o := range amendImages() {
		for _, way := range [][2]string{{"v6", "v8"}, {"v14", "v6"}} {
			t.Run(fmt.Sprint(name, " ", way[0], " to ", way[1]), func(t *testing.T) {
				t.Parallel()
				m := newAmendImage(t, o)
				if _, err := Amend(m, AmendOptions{Revision: way[0]}); err != nil {
					t.Fatal(err)
				}
				rec := storagetest.NewRecorder(m)
				if _, err := Amend(rec, AmendOptions{Revision: way[1]}); err != nil {
					t.Fatal(err)
				}
				crashAmend(t, rec, m.Clone(), way)
			})
		}
	}
}

func crashAmend(t *testing.T, rec *storagetest.Recorder, after *storagetest.Mem, way [2]string) {
	info, want := contentsOf(t, after)
	if info.Revision != way[1] {
		t.Fatalf("converted to %s", info.Revision)
	}
	seen := map[string]bool{}
	look := func(n int, survives storagetest.Survives) {
		t.Helper()
		m := rec.Crash(n, survives)
		qcow2test.MustBeSound(t, m, false)
		info, got := contentsOf(t, m)
		if info.Revision != way[0] && info.Revision != way[1] {
			t.Fatalf("crash after %d operations: an image of layout %s", n, info.Revision)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("crash after %d operations: %s", n, diff)
		}
		mustFreeLeaks(t, m)
		seen[info.Revision] = true
	}
	ops := rec.Ops()
	for n := range len(ops) + 1 {
		look(n, storagetest.All)
		look(n, storagetest.None)
		for seed := range uint64(4) {
			look(n, storagetest.Shuffled(seed))
		}
		if n > 0 {
			for cut := range min(len(ops[n-1].Data)/512, 4) {
				look(n, storagetest.TornAt(n-1, cut))
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("crashes left only %v", seen)
	}
}

func TestAmendRefuses(t *testing.T) {
	zoned := func(o CreateOptions, z ZoneOptions) CreateOptions { o.Zone = &z; return o }
	for _, c := range []struct {
		name  string
		o     CreateOptions
		to    string
		spoil func(*format.Header)
		says  string
	}{
		{"plain", CreateOptions{Size: 1 << 20}, "v8", nil, "no zones"},
		{"unknown", zoned(CreateOptions{Size: 16 << 20}, ZoneOptions{Size: 1 << 20}), "v9", nil, "must be one of v6, v8, v11, v14"},
		{"v3", zoned(CreateOptions{Size: 16 << 20}, ZoneOptions{Size: 1 << 20}), "v3", nil, "must be one of"},
		{"large zones", zoned(CreateOptions{Size: 8 << 30}, ZoneOptions{Size: 4 << 30, Revision: "v14"}), "v6", nil, "in 32 bits; zone.revision=v8 or v11 or v14 can"},
		{"no power of two", zoned(CreateOptions{Size: 16 << 20}, ZoneOptions{Size: 1 << 20}), "v14", func(h *format.Header) {
			changeZones(h, func(x *format.ZoneExtension) {
				x.ZoneSize, x.ZoneCapacity, h.Size = 3<<19, 3<<19, uint64(x.Zones)*(3<<19)
			})
		}, "no power of two; zone.revision=v6 or v8 can"},
		{"all conventional", zoned(CreateOptions{Size: 16 << 20}, ZoneOptions{Size: 1 << 20, Conventional: 15}), "v11", func(h *format.Header) {
			changeZones(h, func(x *format.ZoneExtension) { x.Conventional = 16 })
		}, "all of its 16 zones"},
		{"append limit at the capacity", zoned(CreateOptions{Size: 16 << 20}, ZoneOptions{Size: 1 << 20}), "v8", func(h *format.Header) {
			changeZones(h, func(x *format.ZoneExtension) { x.MaxAppendBytes = 1 << 20 })
		}, "within 512 bytes"},
		{"long header", zoned(CreateOptions{Size: 16 << 20}, ZoneOptions{Size: 1 << 20}), "v8", func(h *format.Header) {
			h.Extensions = append(h.Extensions, format.Extension{Type: 77, Data: make([]byte, 40000)})
		}, "a header of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(storagetest.Mem)
			create(t, m, c.o)
			if c.spoil != nil {
				spoil(t, m, c.spoil)
				h, _ := format.ParseHeader(m.Bytes()[:1<<16])
				remakeZones(m, h)
			}
			before := m.Bytes()
			_, err := Amend(m, AmendOptions{Revision: c.to})
			is := format.ErrOption
			if c.name == "long header" {
				is = format.ErrUnsupported
			}
			mustSay(t, err, is, c.says)
			if !bytes.Equal(before, m.Bytes()) {
				t.Error("something was written")
			}
		})
	}
}

// changeZones changes the zoned extension of a v6 image.
func changeZones(h *format.Header, change func(*format.ZoneExtension)) {
	x := format.LayoutV6.Decode(format.FindExtensions(h.Extensions, format.ExtZoned)[0])
	change(&x)
	putExtension(h, format.ExtZoned, format.LayoutV6.Encode(x))
}

// remakeZones makes every zone of a v6 image EMPTY or conventional.
func remakeZones(m *storagetest.Mem, h *format.Header) {
	data := format.FindExtensions(h.Extensions, format.ExtZoned)[0]
	x := format.LayoutV6.Decode(data)
	info := format.NewZonedInfo(format.LayoutV6, x, h.Size)
	codec := format.EntryCodec{Layout: format.LayoutV6, Info: info, Order: format.LayoutV6.ByteOrder()}
	for k := range x.Zones {
		codec.EncodeSlots([]format.ZoneSlot{{Zone: k, WP: info.ZoneStart(k)}}, func(b []byte, at uint64) error {
			_, err := m.WriteAt(b, int64(at))
			return err
		})
	}
}

// A table of a big-endian host becomes one that QEMU reads elsewhere, and one
// of layout v3 one that can be written.
func TestAmendOldTables(t *testing.T) {
	m := newAmendImage(t, amendImages()["clusters of 64K"])
	_, want := contentsOf(t, m)
	info, _ := contentsOf(t, m)
	table := make([]byte, info.TableSize())
	m.ReadAt(table, int64(info.TableOffset))
	for k := 0; k < len(table); k += 8 {
		for a, b := k, k+7; a < b; a, b = a+1, b-1 {
			table[a], table[b] = table[b], table[a]
		}
	}
	m.WriteAt(table, int64(info.TableOffset))
	done, err := Amend(m, AmendOptions{Revision: "v6"})
	if err != nil || !done.Changed {
		t.Fatalf("%+v %v", done, err)
	}
	if info, got := contentsOf(t, m); info.BigEndian || cmp.Diff(want, got) != "" {
		t.Errorf("%+v %s", info, cmp.Diff(want, got))
	}
	spoil(t, m, func(h *format.Header) {
		putExtension(h, format.ExtZoned, format.LayoutV3.Encode(format.LayoutV6.Decode(format.FindExtensions(h.Extensions, format.ExtZoned)[0])))
		h.Incompatible &^= format.IncompatZoned
	})
	done, err = Amend(m, AmendOptions{Revision: "v14"})
	if err != nil || len(done.Lost) != 2 {
		t.Fatalf("%+v %v", done, err)
	}
	if info, got := contentsOf(t, m); info.Revision != "v14" || cmp.Diff(want, got) != "" {
		t.Errorf("%+v %s", info, cmp.Diff(want, got))
	}
	qcow2test.MustBeSound(t, m, true)
}
