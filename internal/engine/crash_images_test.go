// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// rezoned is an image with zones as our own create does not make them, of a
// size and capacity that are no multiple of a cluster.
func rezoned(size, capacity uint32) func(t *testing.T) *storagetest.Mem {
	const disk, cluster = 1152 << 10, 64 << 10
	return func(t *testing.T) *storagetest.Mem {
		mem := created(t, qcow2.CreateOptions{Size: disk, ClusterSize: cluster, Zone: &qcow2.ZoneOptions{Size: cluster, Conventional: 1}})
		head := mem.Bytes()[:cluster]
		// The zoned extension in layout v6, behind its magic and length.
		ext := head[bytes.Index(head, []byte{0, 'z', 'b', 'd', 0, 0, 0, 48})+8:]
		count := uint32(disk) / size
		binary.BigEndian.PutUint32(ext[4:], size)
		binary.BigEndian.PutUint32(ext[8:], capacity)
		binary.BigEndian.PutUint32(ext[16:], count)
		binary.BigEndian.PutUint64(ext[32:], uint64(count)*8)
		mem.WriteAt(head, 0)
		var table []byte
		for z := range count {
			word := uint64(z) * uint64(size)
			if z == 0 {
				word |= 1 << 59 // conventional
			}
			table = binary.LittleEndian.AppendUint64(table, word)
		}
		mem.WriteAt(table, int64(binary.BigEndian.Uint64(ext[40:])))
		return mem
	}
}

// withReadOnly is an image with a part-written zone that is read-only: it does
// not count as active.
func withReadOnly(zone uint32, image func(t *testing.T) *storagetest.Mem) func(t *testing.T) *storagetest.Mem {
	return func(t *testing.T) *storagetest.Mem {
		mem := image(t)
		s := newSimIn(t, mem, 1, 2)
		must(t, "write", s.write(s.disk.geo.Start(zone), contents(4096, 1<<40)))
		s.close()
		img, err := qcow2.Open(mem, qcow2.OpenOptions{})
		if err == nil {
			err = errors.Join(img.SetZoneConditions(format.ConditionRun{First: zone, Zones: 1, Condition: format.ZoneReadOnly}), img.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return mem
	}
}

// foreign is an image that holds data already, half of it compressed as
// qemu-img convert -c leaves it: several of them in one host cluster.
func foreign(image func(t *testing.T) *storagetest.Mem) func(t *testing.T) *storagetest.Mem {
	return func(t *testing.T) *storagetest.Mem {
		mem := image(t)
		s := newSimIn(t, mem, 1, 4)
		geo := s.disk.geo
		for z := range min(geo.Zones(), 4) {
			n := min(geo.Capacity(z)/4*3, simMaxIO)
			must(t, "write", s.write(geo.Start(z), compressible(n, byte(z))))
		}
		if s.disk.img.Zoned() != nil {
			must(t, "finish", s.zone(ublk.OpZoneFinish, geo.Start(2)))
		}
		s.close()
		f := newRepacker(t, mem)
		f.repack()
		if rep, err := soundAfterCrash(mem); err != nil || rep.Leaks > 0 {
			t.Fatalf("the foreign image is not sound: %+v, %v", rep, err)
		}
		return mem
	}
}

// compressible is data of which each sector is one byte over and over.
func compressible(n uint64, salt byte) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(k/512)*7 + salt + 1
	}
	return b
}

// repacker changes the map of an image whose tables are a single refcount block
// and a single L2 table.
type repacker struct {
	mem         *storagetest.Mem
	bits        uint
	l2, refs    uint64 // where they are, bytes of the file
	table       []byte
	refcounts   format.RefcountBlock
	clusterSize uint64
}

func newRepacker(t *testing.T, mem *storagetest.Mem) *repacker {
	h, err := format.ParseHeader(mem.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	f := &repacker{mem: mem, bits: uint(h.ClusterBits), clusterSize: h.ClusterSize()}
	word := func(at uint64) uint64 {
		var b [8]byte
		mem.ReadAt(b[:], int64(at))
		return binary.BigEndian.Uint64(b[:])
	}
	f.l2 = format.L1Entry(word(h.L1TableOffset)).Offset()
	f.refs = format.RefcountTableEntry(word(h.RefcountTableOffset)).Offset()
	f.table, f.refcounts = f.cluster(f.l2), format.RefcountBlock{Order: uint(h.RefcountOrder), Data: f.cluster(f.refs)}
	return f
}

func (f *repacker) cluster(at uint64) []byte {
	b := make([]byte, f.clusterSize)
	f.mem.ReadAt(b, int64(at))
	return b
}

func (f *repacker) entry(k int) format.L2Entry {
	return format.L2Entry(binary.BigEndian.Uint64(f.table[k*8:]))
}

func (f *repacker) set(k int, host, flags uint64) {
	binary.BigEndian.PutUint64(f.table[k*8:], host|flags)
}

func (f *repacker) setRefcount(host, n uint64) { f.refcounts.Set(host>>f.bits, n) }

// repack packs the first two of every three mapped clusters into the host
// cluster of the first.
func (f *repacker) repack() {
	var mapped []int
	for k := range len(f.table) / 8 {
		if f.entry(k).Offset() != 0 {
			mapped = append(mapped, k)
		}
	}
	for ; len(mapped) >= 3; mapped = mapped[3:] {
		f.pack(mapped[0], mapped[1])
	}
	f.mem.WriteAt(f.table, int64(f.l2))
	f.mem.WriteAt(f.refcounts.Data, int64(f.refs))
}

func (f *repacker) pack(a, b int) {
	host, freed := f.entry(a).Offset(), f.entry(b).Offset()
	first, second := deflate(f.cluster(host)), deflate(f.cluster(freed))
	f.mem.WriteAt(append(bytes.Clone(first), second...), int64(host))
	f.set(a, f.packed(host, len(first)), 1<<62)
	f.set(b, f.packed(host+uint64(len(first)), len(second)), 1<<62)
	f.setRefcount(host, 2)
	f.setRefcount(freed, 0)
}

// packed is the part of an L2 entry that says where n compressed bytes are.
func (f *repacker) packed(at uint64, n int) uint64 {
	sectors := (at%512 + uint64(n) - 1) / 512
	return at | sectors<<(62-(f.bits-8))
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// cutBefore is what a power cut leaves of a workload on an image.
func cutBefore(image func(t *testing.T) *storagetest.Mem, do func(r *crashRun)) func(t *testing.T) *storagetest.Mem {
	return func(t *testing.T) *storagetest.Mem {
		r := newCrashRun(t, image(t), *crashSeed+100)
		do(r)
		n := r.rec.Len() * 2 / 3
		r.s.close()
		return r.rec.Crash(n, storagetest.Shuffled(*crashSeed))
	}
}
