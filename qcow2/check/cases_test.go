// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// found checks an image: it must have corruptions, and one must say so.
func found(t *testing.T, f storage.File, says string) {
	t.Helper()
	r, err := check.Check(f, check.Options{})
	if err == nil && (r.Corruptions == 0 || !strings.Contains(qcow2test.Text(r), says)) || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("want a corruption that says %q: %v\n%s", says, err, qcow2test.Text(r))
	}
}

// What keeps QEMU from opening an image is no sound image's.
func TestC32_HeadersThatQEMURefuses(t *testing.T) {
	ext := func(kind format.ExtensionType, data string) func(*format.Header) {
		return func(h *format.Header) {
			h.Extensions = append(h.Extensions, format.Extension{Type: kind, Data: []byte(data)})
		}
	}
	for name, c := range map[string]struct {
		change func(*format.Header)
		says   string
	}{
		"encryption method":       {func(h *format.Header) { h.CryptMethod = 7 }, "encrypted by method 7"},
		"LUKS without its header": {func(h *format.Header) { h.CryptMethod = 2 }, "no encryption header extension"},
		"LUKS header of nobody":   {ext(format.ExtEncryption, strings.Repeat("\x00", 16)), "its encryption method is 0"},
		"snapshot table":          {func(h *format.Header) { h.SnapshotsOffset = 0x1234 }, "snapshot table at 0x1234"},
		"long backing format":     {ext(format.ExtBackingFormat, "abcdefghijklmnop"), "a name of 16 bytes"},
		"backing format": {func(h *format.Header) {
			h.BackingFile = "base"
			ext(format.ExtBackingFormat, "rav")(h)
		}, `format "rav"`},
		"data file without a name": {func(h *format.Header) { h.Incompatible |= format.IncompatDataFile }, "does not name it"},
		"data file's name": {func(h *format.Header) {
			h.Incompatible |= format.IncompatDataFile
			ext(format.ExtDataFile, "a\x00b")(h)
		}, `"a\x00b"`},
	} {
		t.Run(name, func(t *testing.T) {
			im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true})
			c.change(im.H)
			im.WriteHeader()
			found(t, im, c.says)
		})
	}
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true})
	im.Write([]byte{0x10}, format.HeaderLength+4) // the length of the end marker
	found(t, im, "past the end of the header")
}

// One field of a bitmap wrong: QEMU would not open the image.
func TestC40_Bitmaps(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(im *qcow2test.Image, ext []byte, dir uint64)
		says  string
	}{
		"reserved field": {func(_ *qcow2test.Image, ext []byte, _ uint64) { ext[7] = 1 }, "reserved field"},
		"no bitmaps":     {func(_ *qcow2test.Image, ext []byte, _ uint64) { ext[3] = 0 }, "there are 0 bitmaps"},
		"long directory": {func(_ *qcow2test.Image, ext []byte, _ uint64) { ext[15] += 8 }, "goes on for 8 bytes"},
		"flags":          {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Write([]byte{8}, dir+15) }, "unknown flags"},
		"type":           {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Write([]byte{2}, dir+16) }, "type 2"},
		"granularity":    {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Write([]byte{8}, dir+17) }, "granularity of 2^8"},
		"too few bits":   {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Write([]byte{9}, dir+17); im.H.Size = 1 << 40 }, "too few"},
		"no name":        {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Write([]byte{0, 0}, dir+18) }, "0 bytes"},
		"no table":       {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Write([]byte{0, 0, 0, 0}, dir+8) }, "a table of 0 entries"},
		"table entry": {func(im *qcow2test.Image, _ []byte, dir uint64) { im.Put(im.Get(dir), im.Get(im.Get(dir))|2) },
			"reserved bits set"},
	} {
		t.Run(name, func(t *testing.T) {
			im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true})
			im.AddBitmap()
			ext := im.H.Extensions[len(im.H.Extensions)-1].Data
			c.spoil(im, ext, binary.BigEndian.Uint64(ext[16:]))
			im.WriteHeader()
			found(t, im, c.says)
		})
	}
}

// newExternalImage keeps its data in another file.
func newExternalImage(t *testing.T) *qcow2test.Image {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4, Plain: true})
	im.H.Incompatible |= format.IncompatDataFile
	im.H.Extensions = append(im.H.Extensions, format.Extension{Type: format.ExtDataFile, Data: []byte("data")})
	im.WriteHeader()
	for i := range uint64(6) {
		im.Put(im.EntryAt(i), i<<12|format.CopiedFlag)
	}
	qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll}) // of what no L2 entry refers to now
	qcow2test.MustBeSound(t, im, true)
	return im
}

// With an external data file each cluster is at its own place, and nobody shares it.
func TestC33_ExternalData(t *testing.T) {
	for name, c := range map[string]struct {
		entry      uint64
		says       string
		repairable bool
	}{
		"no copied flag": {2 << 12, "no copied flag", true},
		"reserved bit":   {2<<12 | format.CopiedFlag | 1<<57, "reserved bits", true},
		"not aligned":    {2<<12 | 512 | format.CopiedFlag, "not the start of a cluster", false},
		"elsewhere":      {3<<12 | format.CopiedFlag, "maps byte 0x2000 of the disk", false},
		"far off":        {1 << 54, "maps byte 0x2000 of the disk", false},
		"compressed":     {2<<12 | 1<<62, "excludes", false},
	} {
		t.Run(name, func(t *testing.T) {
			im := newExternalImage(t)
			im.Put(im.EntryAt(2), c.entry)
			found(t, im, c.says)
			r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
			if c.repairable != r.Clean() || c.repairable && im.Entry(2) != 2<<12|format.CopiedFlag {
				t.Errorf("entry %#x\n%s", im.Entry(2), qcow2test.Text(r))
			}
		})
	}
	im := newExternalImage(t)
	im.Put(im.L1+8, im.L2[0]|format.CopiedFlag)
	found(t, im, "refers to an L2 table that another one refers to")
}

// A cluster that serves as two things is no mere leak, however high its refcount.
func TestC40_MisuseUnderHighRefcounts(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.Put(im.EntryAt(0), im.L1)
	im.SetRefcount(im.L1, 3)
	r := qcow2test.MustCheck(t, im, check.Options{})
	if r.ExitCode() != check.CheckCorrupt || !strings.Contains(qcow2test.Text(r), "refcount 3 and 2 references: L1 table and guest data") {
		t.Error(qcow2test.Text(r))
	}
}

func TestC40_CompressedSubclusters(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 14, Order: 4, Extended: true})
	im.PutEntry(4, im.Entry(4), 1)
	found(t, im, "is compressed and has subclusters")
}

func TestC40_RecordTwice(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	once := (&format.PrivateExtension{Conditions: format.ConditionList{{First: 5, Zones: 1, Condition: format.ZoneOffline}}}).Encode()
	im.H.Extensions = append(im.H.Extensions, format.Extension{Type: format.ExtPrivate, Data: append(once, once[format.PrivateHeader:]...)})
	im.WriteHeader()
	found(t, im, "has record 0x80000002 twice")
	if _, err := qcow2.Open(im, qcow2.OpenOptions{ReadOnly: true}); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("open: %v", err)
	}
}

// An L1 entry with the copied flag and no table reads as zeros, as in QEMU.
func TestC40_EmptyL1Entry(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.Put(im.L1+8, format.CopiedFlag)
	i, err := qcow2.Open(im, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.Repeat([]byte{1}, 512)
	if err := i.ReadAt(got, im.G.L2Coverage()); err != nil || !bytes.Equal(got, make([]byte, 512)) {
		t.Errorf("%x %v", got[:8], err)
	}
}

// A repair never leaves more errors than it found, and a second one finds nothing
// to do.
func TestC37_RepairConverges(t *testing.T) {
	cases := append([]checkCase{
		{name: "L1 entry on the L1 table", spoil: func(im *qcow2test.Image) { im.Put(im.L1, im.L1|format.CopiedFlag) }},
		{name: "refcount block on itself, and the end cut off", spoil: func(im *qcow2test.Image) {
			im.Put(im.H.RefcountTableOffset+8, im.RefBlock)
			im.Check(im.Truncate(int64(im.Data[1])))
		}},
		{name: "refcount block gone with the end", spoil: func(im *qcow2test.Image) {
			im.Put(im.H.RefcountTableOffset, im.End()+im.G.ClusterSize())
			im.Put(im.EntryAt(0), im.End()|format.CopiedFlag)
		}},
		{name: "data on the L2 table and refcount block", spoil: func(im *qcow2test.Image) {
			im.Put(im.EntryAt(0), im.L2[1]|format.CopiedFlag)
			im.Put(im.EntryAt(1), im.RefBlock|format.CopiedFlag)
		}},
	}, checkCases...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			before := qcow2test.MustCheck(t, im, check.Options{})
			first := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
			if first.Corruptions > before.Corruptions {
				t.Errorf("before:\n%s\nafter:\n%s", qcow2test.Text(before), qcow2test.Text(first))
			}
			was := im.Bytes()
			second := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
			if !bytes.Equal(was, im.Bytes()) {
				t.Errorf("the first left:\n%s\nthe second:\n%s", qcow2test.Text(first), qcow2test.Text(second))
			}
		})
	}
}

// What the check can't open or finish is not called sound.
func TestC24_NothingIsKnown(t *testing.T) {
	unknown := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	unknown.H.Incompatible |= 1 << 17
	unknown.WriteHeader()
	for name, c := range map[string]struct {
		f storage.File
		o check.Options
	}{
		"text":            {f: storagetest.NewMem([]byte("hello"))},
		"empty":           {f: new(storagetest.Mem)},
		"unknown feature": {f: unknown},
		"no memory":       {qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4}), check.Options{Memory: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := check.Check(c.f, c.o)
			var json strings.Builder
			r.WriteJSON(&json)
			if err == nil || r.Clean() || r.ExitCode() != check.CheckFailed || strings.Contains(qcow2test.Text(r), "sound:") ||
				!strings.Contains(qcow2test.Text(r), "could not be completed") || !strings.Contains(json.String(), `"check-errors": 1`) {
				t.Errorf("%v, exit status %d\n%s%s", err, r.ExitCode(), qcow2test.Text(r), json.String())
			}
		})
	}
}
