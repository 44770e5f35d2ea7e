// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/format"
)

// TestSalvage breaks entries of L2 tables: what we copy of the image is what qemu-img convert
// --salvage does, and we say what is missing, no more.
func TestSalvage(t *testing.T) {
	for k, s := range chosen(*images, *seed+2) {
		if s.data != "" || s.depth > 0 || s.version == 2 {
			continue
		}
		t.Run(fmt.Sprintf("%03d,%v", k, s), func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t, dir: t.TempDir(), spec: s, rng: rand.New(rand.NewPCG(*seed, uint64(k)))}
			b.make()
			sound := b.raw()
			bad := b.breakEntries()
			if err := os.WriteFile(b.path(twin), b.read(image), 0o600); err != nil {
				t.Fatal(err)
			}
			lost := b.salvage()
			ours := b.read("ours.raw")
			cluster := uint64(1) << s.clusterBits
			want := append([]byte(nil), sound...)
			for _, c := range bad {
				clear(want[c*cluster : min((c+1)*cluster, uint64(len(want)))])
			}
			b.mustEqual("what is left", ours, want)
			b.run("qemu-img", "convert", "--salvage", "-q", "-f", "qcow2", "-O", "raw", twin, "theirs.raw")
			b.mustEqual("what QEMU leaves", b.read("theirs.raw"), want)
			total := uint64(0)
			for _, c := range bad {
				total += min(cluster, uint64(len(want))-c*cluster)
			}
			if lost != total {
				t.Errorf("%d bytes lost, want %d", lost, total)
			}
		})
	}
}

// breakEntries makes some stored clusters of the disk unreadable, and says which.
func (b *bench) breakEntries() (bad []uint64) {
	raw := b.read(image)
	h, err := format.ParseHeader(raw)
	if err != nil {
		b.Fatal(err)
	}
	g := format.GeometryOf(h)
	width := uint64(g.EntryWords()) * 8
	for c := uint64(0); c < g.Clusters(h.Size); c++ {
		l1 := format.L1Entry(binary.BigEndian.Uint64(raw[h.L1TableOffset+c>>g.L2Bits*8:]))
		if l1.Offset() == 0 {
			continue
		}
		at := l1.Offset() + c&(g.L2Entries()-1)*width
		e := format.L2Entry(binary.BigEndian.Uint64(raw[at:]))
		zero := e.Zero() || g.Extended && binary.BigEndian.Uint64(raw[at+8:]) != uint64(format.L2AllAllocated)
		if e.Compressed() || e.Offset() == 0 || zero || b.rng.IntN(3) > 0 {
			continue
		}
		binary.BigEndian.PutUint64(raw[at:], uint64(e)+512) // not the start of a cluster
		if g.ClusterBits == 9 {
			continue
		}
		bad = append(bad, c)
	}
	if g.ClusterBits == 9 {
		return nil
	}
	if err := os.WriteFile(b.path(image), raw, 0o600); err != nil {
		b.Fatal(err)
	}
	return bad
}

// salvage copies what can be read to ours.raw.
func (b *bench) salvage() (lost uint64) {
	in, err := imagefile.Open(b.path(image), imagefile.Options{Options: storage.Options{ReadOnly: true}, Lenient: true, IgnoreZones: true})
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := storage.Create(b.path("ours.raw"), true)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	sink, err := convert.NewRawFile(out, in.Image.VirtualSize(), true)
	if err == nil {
		err = convert.ExportRaw(in.Image, sink, convert.ExportOptions{Unreadable: func(_, n uint64, _ error) { lost += n }})
	}
	if err != nil {
		b.Fatal(err)
	}
	return lost
}

// TestCompressed: what is exported compressed is what was exported.
func TestCompressed(t *testing.T) {
	for _, cluster := range []uint64{512, 4096, 65536, 2 << 20} {
		for name, pack := range convert.Packers {
			t.Run(fmt.Sprint(name, " ", cluster), func(t *testing.T) {
				t.Parallel()
				b := &bench{T: t, dir: t.TempDir(), spec: spec{version: 3, clusterBits: 16, refcountBits: 16, compression: "zlib"}, rng: rand.New(rand.NewPCG(3, cluster))}
				b.make()
				o := b.open(true)
				defer o.Close()
				out, err := storage.Create(b.path("packed.qcow2"), true)
				if err == nil {
					err = convert.Export(o.Image, out, convert.ExportOptions{ClusterSize: cluster, Compress: pack})
					out.Close()
				}
				if err != nil {
					t.Fatal(err)
				}
				b.run("qemu-img", "check", "-q", "-f", "qcow2", "packed.qcow2")
				b.run("qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", image, "packed.qcow2")
				f, err := storage.Open(b.path("packed.qcow2"), storage.Options{ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				again, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				disk := make([]byte, again.VirtualSize())
				if err := again.ReadAt(disk, 0); err != nil {
					t.Fatal(err)
				}
				b.mustEqual("what we read", disk, b.ours())
			})
		}
	}
}
