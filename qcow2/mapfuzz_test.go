// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// FuzzMap: whatever the image, its map is a disk without gaps, up to the first
// entry that makes no sense, and looking at an image changes none of it.
func FuzzMap(f *testing.F) {
	bases := qcow2test.SmallImages(f)
	for k := range bases {
		f.Add(uint8(k), []byte{})
		f.Add(uint8(k), []byte{0, 23, 9 ^ 21, 0, 99, 4})
		f.Add(uint8(k), []byte{0, 28, 1, 0, 38, 1})
	}
	f.Fuzz(func(t *testing.T, base uint8, patches []byte) {
		raw := qcow2test.Patched(bases[int(base)%len(bases)], patches[:min(len(patches), 300)])
		rec := storagetest.NewRecorder(storagetest.NewMem(raw))
		i, err := Open(rec, OpenOptions{ReadOnly: true, Lenient: true})
		if err != nil {
			return
		}
		next := uint64(0)
		err = few(func(visit func(Mapped) error) error {
			return i.Map(func(m Mapped) error {
				if m.Start != next || m.Length == 0 || m.Length > i.size-m.Start {
					t.Fatalf("%+v at %d of a disk of %d", m, next, i.size)
				}
				next += m.Length
				return visit(m)
			})
		})
		if err == nil && next < i.size && next < 1<<20 {
			t.Fatalf("mapped to %d of %d", next, i.size)
		}
		i.JudgeWriting()
		i.WouldMend()
		if rec.Len() != 0 {
			t.Fatal("looking at an image wrote to it")
		}
	})
}

// FuzzRefcountBlock: refcounts of every width are set and read without touching
// their neighbours, and the last that is used is found.
func FuzzRefcountBlock(f *testing.F) {
	f.Add(uint8(0), uint16(9), uint64(1), []byte{0, 0xff, 0})
	f.Add(uint8(6), uint16(1), uint64(1<<63), make([]byte, 64))
	f.Fuzz(func(t *testing.T, order uint8, at uint16, v uint64, data []byte) {
		b := format.RefcountBlock{Order: uint(order % 7), Data: make([]byte, 512)}
		copy(b.Data, data)
		var want []uint64
		for k := range b.Len() {
			want = append(want, b.Get(k))
		}
		k := uint64(at) % b.Len()
		want[k] = v & format.MaxRefcount(b.Order)
		b.Set(k, want[k])
		used := uint64(0)
		for k, w := range want {
			if got := b.Get(uint64(k)); got != w {
				t.Fatalf("refcount %d is %d, want %d", k, got, w)
			}
			if w != 0 {
				used = uint64(k) + 1
			}
		}
		if got := b.Used(); got != used {
			t.Fatalf("%d are used, want %d", got, used)
		}
		words, all := 0, uint64(0)
		check.EachCounted(b, 0, func(k uint64) { words++; all = max(all, k+1) })
		if all != used && used != 0 && binary.BigEndian.Uint64(b.Data) != 0 {
			t.Fatalf("%d visited up to %d, want %d", words, all, used)
		}
	})
}
