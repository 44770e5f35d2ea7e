// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
)

var (
	images = flag.Int("matrix.images", 24, "images of the matrix; from 150 on it must hold every value")
	seed   = flag.Uint64("matrix.seed", 1, "which images")
)

func TestMatrix(t *testing.T) {
	for _, tool := range []string{"qemu-img", "qemu-io"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: run `make deps`", err)
		}
	}
	specs := chosen(*images, *seed)
	for k, s := range specs {
		t.Run(fmt.Sprintf("%03d,%v", k, s), func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t, dir: t.TempDir(), spec: s, rng: rand.New(rand.NewPCG(*seed, uint64(k)))}
			b.make()
			b.verify()
		})
	}
}

// chosen are n different specs; many of them together have every value.
func chosen(n int, seed uint64) []spec {
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := map[spec]bool{}
	var list []spec
	for len(list) < n {
		if s := draw(rng); !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list
}

// TestCoverage: the full matrix has every value of every dimension.
func TestCoverage(t *testing.T) {
	found := map[string]int{}
	for _, s := range chosen(max(*images, 150), *seed) {
		for _, v := range s.values() {
			found[v]++
		}
	}
	want := []string{"version 2", "version 3", "extended true", "lazy true", "raw base true",
		"compression zlib", "compression zstd", "preallocation metadata", "preallocation falloc", "preallocation full",
		"data own", "data raw", "depth 0", "depth 1", "depth 2", "depth 3", "snapshots 0", "snapshots 1", "snapshots 2"}
	for _, bits := range []int{9, 10, 12, 14, 16, 18, 21} {
		want = append(want, fmt.Sprint("cluster bits ", bits))
	}
	for bits := 1; bits <= 64; bits *= 2 {
		want = append(want, fmt.Sprint("refcount bits ", bits))
	}
	for _, v := range want {
		if found[v] < 3 {
			t.Errorf("%d images with %s", found[v], v)
		}
	}
}

// verify reads the image, writes to it, and gives it back to QEMU.
func (b *bench) verify() {
	disk := b.raw()
	b.mustEqual("what we read", b.ours(), disk)
	b.compareMaps()
	before := b.others()
	b.scribble(disk)
	b.check()
	b.mustEqual("what QEMU reads", b.raw(), disk)
	b.mustEqual("what we read again", b.ours(), disk)
	for name, sum := range b.others() {
		if before[name] != sum {
			b.Errorf("%s has changed", name)
		}
	}
	if b.spec.data == "raw" {
		b.mustEqual("the raw data file", b.read("data.raw")[:len(disk)], disk) // QEMU may round its end up
	}
}

// raw is the disk as qemu-img reads it.
func (b *bench) raw() []byte {
	b.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, "out.raw")
	return b.read("out.raw")
}

func (b *bench) mustEqual(what string, got, want []byte) {
	b.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		b.Fatalf("%s has %d bytes instead of %d", what, len(got), len(want))
	}
	for k := range got {
		if got[k] != want[k] {
			b.Fatalf("%s differs at byte %d (cluster %d): %#x instead of %#x", what, k, k>>b.spec.clusterBits, got[k], want[k])
		}
	}
}

// open opens the image with all it names.
func (b *bench) open(readOnly bool) *imagefile.Opened {
	b.Helper()
	o := imagefile.Options{Options: storage.Options{ReadOnly: readOnly}, AllowBacking: true, AllowData: true}
	var opened *imagefile.Opened
	patiently(b, func() (err error) {
		opened, err = imagefile.Open(b.path(image), o)
		return err
	}, func(err error) bool { return errors.Is(err, storage.ErrInUse) })
	return opened
}

// ours is the disk as we read it.
func (b *bench) ours() []byte {
	o := b.open(true)
	defer o.Close()
	disk := make([]byte, o.Image.VirtualSize())
	if err := o.Image.ReadAt(disk, 0); err != nil {
		b.Fatal(err)
	}
	return disk
}

// others sums up what our writes must not change: backing files and snapshots.
func (b *bench) others() map[string][32]byte {
	sums := map[string][32]byte{}
	bases, _ := filepath.Glob(b.path("base*"))
	for _, path := range bases {
		sums[filepath.Base(path)] = sha256.Sum256(b.read(filepath.Base(path)))
	}
	for k := range b.spec.snapshots {
		name := fmt.Sprint("s", k)
		b.run("qemu-img", "convert", "-f", "qcow2", "-l", "snapshot.name="+name, "-O", "raw", image, "snapshot.raw")
		sums["snapshot "+name] = sha256.Sum256(b.read("snapshot.raw"))
	}
	return sums
}

// check: qemu-img finds no errors and no leaks, and neither do we.
func (b *bench) check() {
	b.Helper()
	b.run("qemu-img", "check", "-q", "-f", "qcow2", image)
	o := b.open(true)
	defer o.Close()
	r, err := check.Check(o.File, check.Options{})
	if err != nil || !r.Clean() {
		b.Errorf("our check: %v, %+v", err, r)
	}
}

// scribble changes the disk in all ways we have, in two sittings.
func (b *bench) scribble(disk []byte) {
	for range 2 {
		o := b.open(false)
		for range 24 {
			if err := b.change(o.Image, disk); err != nil {
				b.Fatal(err)
			}
		}
		if err := o.Image.Close(); err != nil {
			b.Fatal(err)
		}
		o.Close()
	}
}

// change does one random thing to the image and to the model of its disk.
func (b *bench) change(i *qcow2.Image, disk []byte) error {
	size := uint64(len(disk))
	unit := pick(b.rng, 1, 512, 4096, i.ClusterSize())
	off := b.rng.Uint64N(size/unit) * unit
	n := min(1+b.rng.Uint64N(pick(b.rng, 4*unit, 256<<10)), size-off)
	switch b.rng.IntN(7) {
	case 0:
		return b.discard(i, disk, off, n)
	case 1, 4:
		n = min(max(n/unit*unit, unit), size-off)
		clear(disk[off : off+n])
		return i.MakeZero(off, n)
	case 2:
		return i.Ensure(off, n, b.rng.Uint64N(1<<20))
	case 3:
		return i.Sync()
	}
	p := bytes.Repeat([]byte{byte(1 + b.rng.IntN(255))}, int(n))
	copy(disk[off:], p)
	return i.WriteAt(p, off)
}
