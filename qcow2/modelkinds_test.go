// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"encoding/binary"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// layBase gives the model's image a backing file, an image or raw bytes, that
// may be shorter or longer than its disk.
func (m *model) layBase() {
	size := uint64(len(m.disk))
	size = max(size/512+rapid.Uint64Range(0, 8).Draw(m.t, "base size")*size/2048, 4) * 512 / 2
	bytes := qcow2test.Pattern(1<<30, format.RoundUp(size, 512))
	clear(bytes[len(bytes)/3 : len(bytes)/2])
	if m.lower = storagetest.NewMem(bytes); rapid.Bool().Draw(m.t, "image as base") {
		m.lower, m.lowerIsImage = new(storagetest.Mem), true
		if err := Create(m.lower, CreateOptions{Size: uint64(len(bytes)), ClusterSize: 1024, LogicalBlockSize: 512}); err != nil {
			m.t.Fatal(err)
		}
		i, err := Open(m.lower, OpenOptions{})
		if err == nil {
			err = i.WriteAt(bytes, 0)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	m.patchHeader(func(h *format.Header) { h.BackingFile = "base" })
	copy(m.disk, bytes)
}

func (m *model) patchHeader(change func(*format.Header)) {
	h, err := format.ParseHeader(m.mem.Bytes())
	if err != nil {
		m.t.Fatal(err)
	}
	change(h)
	b, err := h.Encode()
	if err != nil {
		m.t.Fatal(err)
	}
	m.mem.WriteAt(b, 0)
}

// options open the model's image in f with the files that belong to it.
func (m *model) options(f storage.File) OpenOptions {
	o := OpenOptions{CacheBytes: 1}
	if m.external {
		o.Data = window{f, modelImageBytes, int64(len(m.disk))}
	}
	if m.lower == nil {
		return o
	}
	var err error
	if m.lowerIsImage {
		var i *Image
		if i, err = Open(m.lower, OpenOptions{ReadOnly: true, CacheBytes: 1}); err == nil {
			o.Base, err = BaseImage(i)
		}
	} else {
		o.Base, err = BaseRaw(m.lower)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

// modelImageBytes is where in the model's file an external data file begins.
const modelImageBytes = 4 << 20

// imageIn is the image's own part of the model's file.
func (m *model) imageIn(f storage.File) storage.File {
	if m.external {
		return window{f, 0, modelImageBytes}
	}
	return f
}

// soilData fills clusters of a data file that nothing refers to.
func (m *model) soilData(i *Image) {
	for off := uint64(0); off < i.size; off += i.ClusterSize() {
		e, err := i.mapping(off >> i.geo.ClusterBits)
		if err != nil {
			m.t.Fatal(err)
		}
		if !i.geo.Stored(e.entry) {
			m.mem.WriteAt(bytes.Repeat([]byte{soil}, int(i.inDisk(off>>i.geo.ClusterBits))), int64(modelImageBytes+off))
		}
	}
}

// Snapshot takes an internal snapshot of the closed image, as qemu-img does:
// everything is shared from then on.
func (m *model) Snapshot(t *rapid.T) {
	if err := m.image.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	i, err := Open(m.mem, m.options(m.mem))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	i.mu.Lock()
	l1, err := i.shareAll()
	i.mu.Unlock()
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	table, err := i.refs.take(1, 0)
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	entry := make([]byte, format.SnapshotFixed+format.SnapshotExtra+8)
	binary.BigEndian.PutUint64(entry, l1)
	binary.BigEndian.PutUint32(entry[8:], uint32(len(i.l1)))
	binary.BigEndian.PutUint32(entry[36:], format.SnapshotExtra)
	m.mem.WriteAt(entry, int64(table.first<<i.geo.ClusterBits))
	m.patchHeader(func(h *format.Header) { h.SnapshotCount, h.SnapshotsOffset = 1, table.first<<i.geo.ClusterBits })
	m.snapshot = bytes.Clone(m.disk)
	m.open()
}

// shareAll makes a second L1 table refer to all L2 tables, and counts them and
// what they refer to once more.
func (i *Image) shareAll() (l1 uint64, err error) {
	x, err := i.refs.take(i.geo.Clusters(uint64(len(i.l1))*8), 0)
	if err != nil {
		return 0, err
	}
	more := func(off uint64) {
		i.refs.adjust(run{off >> i.geo.ClusterBits, 1}, func(n uint64) uint64 { return n + 1 })
	}
	l1 = x.first << i.geo.ClusterBits
	for k := range i.l1 {
		table := format.L1Entry(i.l1[k].entry.Load()).Offset()
		if table == 0 {
			continue
		}
		more(table)
		word := binary.BigEndian.AppendUint64(nil, table)
		i.file.write(word, i.header.L1TableOffset+uint64(k)*8)
		i.file.write(word, l1+uint64(k)*8)
		raw := make([]byte, i.geo.ClusterSize())
		i.file.read(raw, table)
		for at := 0; at < len(raw); at += 8 * i.geo.EntryWords() {
			if e := format.L2Entry(binary.BigEndian.Uint64(raw[at:])); e.Offset() != 0 {
				more(e.Offset())
				binary.BigEndian.PutUint64(raw[at:], uint64(e&^format.L2Copied))
			}
		}
		i.file.write(raw, table)
	}
	return l1, nil
}

// mustKeepSnapshot reads the disk of the snapshot in a file.
func (m *model) mustKeepSnapshot(t *rapid.T, f storage.File) {
	if m.snapshot == nil {
		return
	}
	o := m.options(f)
	o.ReadOnly = true
	i, err := Open(f, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	list, err := snapshotsOf(i)
	if err != nil || len(list) != 1 {
		t.Fatalf("snapshots: %v, %v", list, err)
	}
	i.header.L1TableOffset = list[0].L1Offset
	got := make([]byte, len(m.snapshot))
	if err := i.loadL1(); err != nil {
		t.Fatal(err)
	}
	if err := i.ReadAt(got, 0); err != nil || !bytes.Equal(got, m.snapshot) {
		t.Fatalf("the snapshot has changed: %s (%v)", firstDifference(got, m.snapshot), err)
	}
}

// Discard leaves what was there, or zeros.
func (m *model) Discard(t *rapid.T) {
	off, n := m.drawRange(t)
	m.noteChange(off, n, 0)
	if err := m.image.Discard(off, n); err != nil {
		t.Fatalf("discard: %v", err)
	}
	got := make([]byte, n)
	if err := m.image.ReadAt(got, off); err != nil {
		t.Fatalf("read: %v", err)
	}
	for k, b := range got {
		if b != m.disk[off+uint64(k)] && b != 0 {
			t.Fatalf("after a discard byte %d is %#x", off+uint64(k), b)
		}
	}
	copy(m.disk[off:], got)
}

func snapshotsOf(i *Image) (list []format.Snapshot, err error) {
	err = i.EachSnapshot(func(s format.Snapshot) error {
		list = append(list, s)
		return nil
	})
	return list, err
}
