// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// soil is what the model never writes: it fills space that is not in use, and
// must never be read.
const soil = 0xaa

// model is an image next to the bytes its disk should hold.
type model struct {
	t            *rapid.T
	mem          *storagetest.Mem
	file         *storagetest.Recorder // over mem
	noHoles      bool
	sharing      bool // a snapshot may be taken
	leaky        bool // space may be lost
	image        *Image
	disk         []byte
	durable      []byte          // as of the last Sync
	since        map[uint64]bool // 512-byte sectors changed since then
	fills        map[byte]bool   // bytes written since then
	next         byte
	seed         uint64
	external     bool             // the data is in a file of its own, see imageIn
	lower        *storagetest.Mem // the backing file, if any
	lowerIsImage bool
	snapshot     []byte // the disk of the internal snapshot, if any

	checked int // operations of file after which a crash was tried
}

func drawOptions(t *rapid.T) CreateOptions {
	bits := rapid.SampledFrom([]uint{9, 9, 10, 12, 14, 16}).Draw(t, "cluster bits")
	o := CreateOptions{
		ClusterSize:      1 << bits,
		RefcountBits:     1 << rapid.UintRange(0, 6).Draw(t, "refcount order"),
		LogicalBlockSize: 512,
		ExtendedL2:       bits >= 14 && rapid.Bool().Draw(t, "extended L2"),
	}
	clusters := rapid.Uint64Range(1, 400).Draw(t, "clusters")
	o.Size = min(clusters<<bits, 4<<20)
	if rapid.Bool().Draw(t, "odd end") {
		o.Size -= 512 * (o.ClusterSize/512 - 1)
		o.Size = max(o.Size, 512)
	}
	if rapid.Bool().Draw(t, "zoned") && o.Size > 2*o.ClusterSize {
		o.Zone = &ZoneOptions{Size: max(o.ClusterSize, 4096)}
	}
	return o
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, mem: new(storagetest.Mem), seed: rapid.Uint64().Draw(t, "seed")}
	o := drawOptions(t)
	m.external = o.Zone == nil && rapid.Bool().Draw(t, "data file")
	if m.external {
		m.mem.Truncate(modelImageBytes + int64(o.Size))
	}
	if err := Create(m.imageIn(m.mem), o); err != nil {
		t.Fatalf("create %+v: %v", o, err)
	}
	m.noHoles = rapid.Bool().Draw(t, "no holes")
	m.disk = make([]byte, o.Size)
	m.sharing = o.Zone == nil && o.RefcountBits > 1 && !m.external
	if m.external {
		m.patchHeader(func(h *format.Header) {
			h.Incompatible |= format.IncompatDataFile
			h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtDataFile, Data: []byte("data")})
		})
	}
	if o.Zone == nil && rapid.Bool().Draw(t, "backing file") {
		m.layBase()
	}
	m.open()
	return m
}

// open starts a new life of the image, whose contents count as durable.
func (m *model) open() {
	m.file, m.checked = storagetest.NewRecorder(m.mem), 0
	if m.noHoles {
		m.file.Inject(storagetest.Fault{Kind: storagetest.OpPunch, Nth: 1, Err: storage.ErrNotSupported, Stuck: true})
	}
	m.noteSync()
	i, err := Open(m.imageIn(m.file), m.options(m.file))
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	m.image = i
}

func (m *model) noteSync() {
	m.durable = bytes.Clone(m.disk)
	m.since, m.fills = make(map[uint64]bool), map[byte]bool{0: true}
}

func (m *model) noteChange(off, n uint64, fill byte) {
	m.fills[fill] = true
	for s := off / 512; s <= (off+n-1)/512; s++ {
		m.since[s] = true
	}
}

// drawRange draws a range of the disk, often aligned, often small.
func (m *model) drawRange(t *rapid.T) (off, n uint64) {
	size := uint64(len(m.disk))
	unit := rapid.SampledFrom([]uint64{1, 512, m.image.ClusterSize()}).Draw(t, "unit")
	off = rapid.Uint64Range(0, (size-1)/unit).Draw(t, "off") * unit
	most := min(size-off, max(unit, rapid.SampledFrom([]uint64{1, 4, 40}).Draw(t, "clusters")*m.image.ClusterSize()))
	n = rapid.Uint64Range(1, max(most/unit, 1)).Draw(t, "n") * unit
	return off, min(n, size-off)
}

func (m *model) Write(t *rapid.T) {
	off, n := m.drawRange(t)
	m.next = m.next%100 + 1
	p := bytes.Repeat([]byte{m.next}, int(n))
	m.noteChange(off, n, m.next)
	if err := m.image.WriteAt(p, off); err != nil {
		t.Fatalf("write: %v", err)
	}
	copy(m.disk[off:], p)
}

func (m *model) Ensure(t *rapid.T) {
	off, n := m.drawRange(t)
	ahead := rapid.Uint64Range(0, 64).Draw(t, "ahead") * m.image.ClusterSize()
	if err := m.image.Ensure(off, n, ahead); err != nil {
		t.Fatalf("ensure: %v", err)
	}
	for at := off; at < off+n; {
		x, err := m.image.LookupResolved(at, off+n-at)
		if err != nil || x.Kind != Data {
			t.Fatalf("after Ensure byte %d is %v: %v", at, x, err)
		}
		at += x.Len
	}
}

func (m *model) MakeZero(t *rapid.T) {
	off, n := m.drawRange(t)
	m.noteChange(off, n, 0)
	if err := m.image.MakeZero(off, n); err != nil {
		t.Fatalf("make zero: %v", err)
	}
	clear(m.disk[off : off+n])
}

func (m *model) Sync(t *rapid.T) {
	m.Crash(t)
	if err := m.image.Sync(); err != nil {
		t.Fatalf("sync: %v", err)
	}
	m.checked = m.file.Len() - 1
	m.noteSync()
}

func (m *model) Read(t *rapid.T) {
	off, n := m.drawRange(t)
	p := bytes.Repeat([]byte{soil}, int(n))
	if err := m.image.ReadAt(p, off); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(p, m.disk[off:off+n]) {
		t.Fatalf("read of %d bytes at %d is wrong", n, off)
	}
}

// Reopen closes the image or, as a killed process would, doesn't; whatever is
// free is full of old bytes the next time.
func (m *model) Reopen(t *rapid.T) {
	if m.sharing && m.snapshot == nil && rapid.Bool().Draw(t, "snapshot") {
		m.Snapshot(t)
		return
	}
	if rapid.Bool().Draw(t, "close") {
		if err := m.image.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		m.Crash(t)
	} else if m.snapshot != nil || m.lower != nil {
		m.leaky = true // what was let go waits in memory for a Sync
	}
	if rapid.Bool().Draw(t, "soil") {
		m.spread()
	}
	m.open()
}

// spread fills free clusters and some space behind the file with soil.
func (m *model) spread() {
	i, err := Open(m.imageIn(m.mem), m.options(m.mem))
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	size, _ := m.imageIn(m.mem).Size()
	if m.external {
		m.soilData(i)
		size -= 3 << i.geo.ClusterBits
	}
	dirt := bytes.Repeat([]byte{soil}, int(i.ClusterSize()))
	last := uint64(size)>>i.geo.ClusterBits + 3
	for c := uint64(1); c < last; c++ {
		if n, _ := i.refs.get(c); n == 0 {
			m.mem.WriteAt(dirt, int64(c<<i.geo.ClusterBits))
		}
	}
}

// Crash looks at what power failures in the middle of the last action, and after
// it, may have left. What was synced must be there, and what was changed since
// must be old or new, never soil.
func (m *model) Crash(t *rapid.T) {
	for n := m.checked + 1; n <= m.file.Len(); n++ {
		m.seed++
		if n == m.file.Len() || m.seed%16 == 0 {
			m.crashAfter(t, n)
		}
	}
	m.checked = m.file.Len()
}

func (m *model) crashAfter(t *rapid.T, n int) {
	left := m.file.Crash(n, storagetest.Shuffled(m.seed))
	m.mustKeepSnapshot(t, left)
	i, err := Open(m.imageIn(left), m.options(left))
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	got := make([]byte, len(m.disk))
	if err := i.ReadAt(got, 0); err != nil {
		t.Fatalf("read after a crash: %v", err)
	}
	for k := 0; k < len(got); k += 512 {
		if end := min(k+512, len(got)); !bytes.Equal(got[k:end], m.durable[k:end]) {
			m.judgeSector(t, k, got[k:end])
		}
	}
	qcow2test.MustBeSound(t, m.imageIn(left), false)
}

// judgeSector looks at a sector, from byte off on, that a crash left otherwise
// than it was synced.
func (m *model) judgeSector(t *rapid.T, off int, got []byte) {
	for k, b := range got {
		if was := m.durable[off+k]; b != was && !(m.since[uint64(off/512)] && m.fills[b]) {
			t.Fatalf("after a crash byte %d is %#x, was %#x", off+k, b, was)
		}
	}
}

// Check compares all of the disk.
func (m *model) Check(t *rapid.T) {
	got := make([]byte, len(m.disk))
	if err := m.image.ReadAt(got, 0); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, m.disk) {
		t.Fatalf("the disk is not what was written: %s", firstDifference(got, m.disk))
	}
}

func firstDifference(got, want []byte) string {
	for k := range got {
		if got[k] != want[k] {
			return fmt.Sprintf("byte %d is %#x instead of %#x", k, got[k], want[k])
		}
	}
	return "none"
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"write":    m.Write,
			"write2":   m.Write,
			"ensure":   m.Ensure,
			"makezero": m.MakeZero,
			"discard":  m.Discard,
			"sync":     m.Sync,
			"read":     m.Read,
			"reopen":   m.Reopen,
			"":         m.Crash,
		})
		m.Check(t)
		if err := m.image.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		qcow2test.MustBeSound(t, m.imageIn(m.file), !m.leaky)
		m.mustKeepSnapshot(t, m.file)
	})
}
