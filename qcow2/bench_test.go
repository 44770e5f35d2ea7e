// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"testing"

	"zqublkd/internal/storage/storagetest"
)

func BenchmarkLookup(b *testing.B) {
	for name, o := range map[string]CreateOptions{
		"64K":   {Size: 1 << 30},
		"4K":    {Size: 1 << 30, ClusterSize: 4096},
		"extL2": {Size: 1 << 30, ExtendedL2: true},
	} {
		i := create(b, new(storagetest.Mem), o)
		if err := i.Ensure(0, i.size, 0); err != nil {
			b.Fatal(err)
		}
		for _, n := range []uint64{4 << 10, 1 << 20} {
			b.Run(name+"/"+map[uint64]string{4 << 10: "4K", 1 << 20: "1M"}[n], func(b *testing.B) {
				b.ReportAllocs()
				off := uint64(0)
				for b.Loop() {
					if x := i.Lookup(off, n); x.Kind != Data {
						b.Fatal(x)
					}
					off = (off + 12345*4096) & (i.size - 1)
				}
			})
		}
	}
}

// A lookup on the hot path must not allocate; the benchmark only shows it.
func TestLookupDoesNotAllocate(t *testing.T) {
	i := create(t, new(storagetest.Mem), CreateOptions{Size: 1 << 26, ExtendedL2: true})
	if err := i.Ensure(0, i.size/2, 0); err != nil {
		t.Fatal(err)
	}
	off := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		i.Lookup(off, 1<<20)
		off = (off + 77777) % i.size
	}); n != 0 {
		t.Errorf("%v allocations per lookup", n)
	}
}

func BenchmarkEnsure(b *testing.B) {
	for _, size := range []uint64{64 << 10, 8 << 20} {
		b.Run(map[uint64]string{64 << 10: "64K", 8 << 20: "8M"}[size], func(b *testing.B) {
			i := create(b, new(storagetest.Mem), CreateOptions{Size: 1 << 50, ClusterSize: 2 << 20})
			if size < 1<<20 {
				i = create(b, new(storagetest.Mem), CreateOptions{Size: 1 << 40})
			}
			off := uint64(0)
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := i.Ensure(off, size, 0); err != nil {
					b.Fatal(err)
				}
				off += size
			}
		})
	}
}
