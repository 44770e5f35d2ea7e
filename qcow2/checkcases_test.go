package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"zqublkd/internal/storage"
)

// found checks an image: it must have corruptions, and one must say so.
func found(t *testing.T, f storage.File, says string) {
	t.Helper()
	r, err := Check(f, CheckOptions{})
	if err == nil && (r.Corruptions == 0 || !strings.Contains(text(r), says)) || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("want a corruption that says %q: %v\n%s", says, err, text(r))
	}
}

// What keeps QEMU from opening an image is no sound image's.
func TestC32_HeadersThatQEMURefuses(t *testing.T) {
	ext := func(kind ExtensionType, data string) func(*Header) {
		return func(h *Header) { h.Extensions = append(h.Extensions, Extension{kind, []byte(data)}) }
	}
	for name, c := range map[string]struct {
		change func(*Header)
		says   string
	}{
		"encryption method":       {func(h *Header) { h.CryptMethod = 7 }, "encrypted by method 7"},
		"LUKS without its header": {func(h *Header) { h.CryptMethod = 2 }, "no encryption header extension"},
		"LUKS header of nobody":   {ext(ExtEncryption, strings.Repeat("\x00", 16)), "its encryption method is 0"},
		"snapshot table":          {func(h *Header) { h.SnapshotsOffset = 0x1234 }, "snapshot table at 0x1234"},
		"long backing format":     {ext(ExtBackingFormat, "abcdefghijklmnop"), "a name of 16 bytes"},
		"backing format": {func(h *Header) {
			h.BackingFile = "base"
			ext(ExtBackingFormat, "rav")(h)
		}, `format "rav"`},
		"data file without a name": {func(h *Header) { h.Incompatible |= IncompatDataFile }, "does not name it"},
		"data file's name": {func(h *Header) {
			h.Incompatible |= IncompatDataFile
			ext(ExtDataFile, "a\x00b")(h)
		}, `"a\x00b"`},
	} {
		t.Run(name, func(t *testing.T) {
			im := newHandImage(t, handOptions{clusterBits: 12, order: 4, plain: true})
			c.change(im.h)
			im.writeHeader()
			found(t, im, c.says)
		})
	}
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4, plain: true})
	im.write([]byte{0x10}, headerLength+4) // the length of the end marker
	found(t, im, "past the end of the header")
}

// One field of a bitmap wrong: QEMU would not open the image.
func TestC40_Bitmaps(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(im *handImage, ext []byte, dir uint64)
		says  string
	}{
		"reserved field": {func(_ *handImage, ext []byte, _ uint64) { ext[7] = 1 }, "reserved field"},
		"no bitmaps":     {func(_ *handImage, ext []byte, _ uint64) { ext[3] = 0 }, "there are 0 bitmaps"},
		"long directory": {func(_ *handImage, ext []byte, _ uint64) { ext[15] += 8 }, "goes on for 8 bytes"},
		"flags":          {func(im *handImage, _ []byte, dir uint64) { im.write([]byte{8}, dir+15) }, "unknown flags"},
		"type":           {func(im *handImage, _ []byte, dir uint64) { im.write([]byte{2}, dir+16) }, "type 2"},
		"granularity":    {func(im *handImage, _ []byte, dir uint64) { im.write([]byte{8}, dir+17) }, "granularity of 2^8"},
		"too few bits":   {func(im *handImage, _ []byte, dir uint64) { im.write([]byte{9}, dir+17); im.h.Size = 1 << 40 }, "too few"},
		"no name":        {func(im *handImage, _ []byte, dir uint64) { im.write([]byte{0, 0}, dir+18) }, "0 bytes"},
		"no table":       {func(im *handImage, _ []byte, dir uint64) { im.write([]byte{0, 0, 0, 0}, dir+8) }, "a table of 0 entries"},
		"table entry": {func(im *handImage, _ []byte, dir uint64) { im.put(im.get(dir), im.get(im.get(dir))|2) },
			"reserved bits set"},
	} {
		t.Run(name, func(t *testing.T) {
			im := newHandImage(t, handOptions{clusterBits: 12, order: 4, plain: true})
			im.addBitmap()
			ext := im.h.Extensions[len(im.h.Extensions)-1].Data
			c.spoil(im, ext, binary.BigEndian.Uint64(ext[16:]))
			im.writeHeader()
			found(t, im, c.says)
		})
	}
}

// newExternalImage keeps its data in another file.
func newExternalImage(t *testing.T) *handImage {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4, plain: true})
	im.h.Incompatible |= IncompatDataFile
	im.h.Extensions = append(im.h.Extensions, Extension{ExtDataFile, []byte("data")})
	im.writeHeader()
	for i := range uint64(6) {
		im.put(im.entryAt(i), i<<12|copiedFlag)
	}
	mustCheck(t, im, CheckOptions{Repair: RepairAll}) // of what no L2 entry refers to now
	mustBeSound(t, im, true)
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
		"reserved bit":   {2<<12 | copiedFlag | 1<<57, "reserved bits", true},
		"not aligned":    {2<<12 | 512 | copiedFlag, "not the start of a cluster", false},
		"elsewhere":      {3<<12 | copiedFlag, "maps byte 0x2000 of the disk", false},
		"far off":        {1 << 54, "maps byte 0x2000 of the disk", false},
		"compressed":     {2<<12 | 1<<62, "excludes", false},
	} {
		t.Run(name, func(t *testing.T) {
			im := newExternalImage(t)
			im.put(im.entryAt(2), c.entry)
			found(t, im, c.says)
			r := mustCheck(t, im, CheckOptions{Repair: RepairAll})
			if c.repairable != r.Clean() || c.repairable && im.entry(2) != 2<<12|copiedFlag {
				t.Errorf("entry %#x\n%s", im.entry(2), text(r))
			}
		})
	}
	im := newExternalImage(t)
	im.put(im.l1+8, im.l2[0]|copiedFlag)
	found(t, im, "refers to an L2 table that another one refers to")
}

// A cluster that serves as two things is no mere leak, however high its refcount.
func TestC40_MisuseUnderHighRefcounts(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	im.put(im.entryAt(0), im.l1)
	im.setRefcount(im.l1, 3)
	r := mustCheck(t, im, CheckOptions{})
	if r.ExitCode() != CheckCorrupt || !strings.Contains(text(r), "refcount 3 and 2 references: L1 table and guest data") {
		t.Error(text(r))
	}
}

func TestC40_CompressedSubclusters(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 14, order: 4, extended: true})
	im.putEntry(4, im.entry(4), 1)
	found(t, im, "is compressed and has subclusters")
}

func TestC40_RecordTwice(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	once := (&PrivateExtension{conditions: conditionList{{5, 1, ZoneOffline}}}).encode()
	im.h.Extensions = append(im.h.Extensions, Extension{ExtPrivate, append(once, once[privateHeader:]...)})
	im.writeHeader()
	found(t, im, "has record 0x80000002 twice")
	if _, err := Open(im, OpenOptions{ReadOnly: true}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("open: %v", err)
	}
}

// An L1 entry with the copied flag and no table reads as zeros, as in QEMU.
func TestC40_EmptyL1Entry(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	im.put(im.l1+8, copiedFlag)
	i, err := Open(im, OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.Repeat([]byte{1}, 512)
	if err := i.ReadAt(got, im.g.l2Coverage()); err != nil || !bytes.Equal(got, make([]byte, 512)) {
		t.Errorf("%x %v", got[:8], err)
	}
}

// A repair never leaves more errors than it found, and a second one finds nothing
// to do.
func TestC37_RepairConverges(t *testing.T) {
	cases := append([]checkCase{
		{name: "L1 entry on the L1 table", spoil: func(im *handImage) { im.put(im.l1, im.l1|copiedFlag) }},
		{name: "refcount block on itself, and the end cut off", spoil: func(im *handImage) {
			im.put(im.h.RefcountTableOffset+8, im.refBlock)
			im.check(im.Truncate(int64(im.data[1])))
		}},
		{name: "refcount block gone with the end", spoil: func(im *handImage) {
			im.put(im.h.RefcountTableOffset, im.end()+im.g.clusterSize())
			im.put(im.entryAt(0), im.end()|copiedFlag)
		}},
		{name: "data on the L2 table and refcount block", spoil: func(im *handImage) {
			im.put(im.entryAt(0), im.l2[1]|copiedFlag)
			im.put(im.entryAt(1), im.refBlock|copiedFlag)
		}},
	}, checkCases...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			im := spoiled(t, c)
			before := mustCheck(t, im, CheckOptions{})
			first := mustCheck(t, im, CheckOptions{Repair: RepairAll})
			if first.Corruptions > before.Corruptions {
				t.Errorf("before:\n%s\nafter:\n%s", text(before), text(first))
			}
			was := im.Bytes()
			second := mustCheck(t, im, CheckOptions{Repair: RepairAll})
			if !bytes.Equal(was, im.Bytes()) {
				t.Errorf("the first left:\n%s\nthe second:\n%s", text(first), text(second))
			}
		})
	}
}

// What the check can't open or finish is not called sound.
func TestC24_NothingIsKnown(t *testing.T) {
	unknown := newHandImage(t, handOptions{clusterBits: 12, order: 4})
	unknown.h.Incompatible |= 1 << 17
	unknown.writeHeader()
	for name, c := range map[string]struct {
		f storage.File
		o CheckOptions
	}{
		"text":            {f: storage.NewMem([]byte("hello"))},
		"empty":           {f: new(storage.Mem)},
		"unknown feature": {f: unknown},
		"no memory":       {newHandImage(t, handOptions{clusterBits: 12, order: 4}), CheckOptions{Memory: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Check(c.f, c.o)
			var json strings.Builder
			r.WriteJSON(&json)
			if err == nil || r.Clean() || r.ExitCode() != CheckFailed || strings.Contains(text(r), "sound:") ||
				!strings.Contains(text(r), "could not be completed") || !strings.Contains(json.String(), `"check-errors": 1`) {
				t.Errorf("%v, exit status %d\n%s%s", err, r.ExitCode(), text(r), json.String())
			}
		})
	}
}
