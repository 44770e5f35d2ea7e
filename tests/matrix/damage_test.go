// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

var (
	damaged    = flag.Int("damage.images", 23, "images to damage")
	damageSeed = flag.Uint64("damage.seed", 1, "how they are damaged")
	damageOnly = flag.Int("damage.only", -1, "the one to look at")
)

// damageKind is a sound image to be damaged.
type damageKind struct {
	name   string
	spec   spec
	bitmap bool
	zoned  string // layout; empty: made by qemu-img as the spec says
}

var damageKinds = []damageKind{
	{name: "v2", spec: spec{version: 2, clusterBits: 16, refcountBits: 16}},
	{name: "v2 of 512", spec: spec{version: 2, clusterBits: 9, refcountBits: 16}},
	{name: "v2 zlib", spec: spec{version: 2, clusterBits: 12, refcountBits: 16, compression: "zlib"}},
	{name: "64K", spec: spec{version: 3, clusterBits: 16, refcountBits: 16}},
	{name: "512", spec: spec{version: 3, clusterBits: 9, refcountBits: 16}},
	{name: "2M", spec: spec{version: 3, clusterBits: 21, refcountBits: 16}},
	{name: "1 bit", spec: spec{version: 3, clusterBits: 12, refcountBits: 1}},
	{name: "2 bits, lazy", spec: spec{version: 3, clusterBits: 12, refcountBits: 2, lazy: true}},
	{name: "8 bits, snapshots", spec: spec{version: 3, clusterBits: 12, refcountBits: 8, snapshots: 2}},
	{name: "64 bits", spec: spec{version: 3, clusterBits: 14, refcountBits: 64}},
	{name: "extended", spec: spec{version: 3, clusterBits: 14, refcountBits: 16, extended: true}},
	{name: "extended, snapshot", spec: spec{version: 3, clusterBits: 16, refcountBits: 32, extended: true, snapshots: 1}},
	{name: "bitmap", spec: spec{version: 3, clusterBits: 16, refcountBits: 16}, bitmap: true},
	{name: "bitmap of 4K", spec: spec{version: 3, clusterBits: 12, refcountBits: 4}, bitmap: true},
	{name: "zlib", spec: spec{version: 3, clusterBits: 14, refcountBits: 16, compression: "zlib"}},
	{name: "zstd", spec: spec{version: 3, clusterBits: 16, refcountBits: 16, compression: "zstd"}},
	{name: "data file", spec: spec{version: 3, clusterBits: 16, refcountBits: 16, data: "own"}},
	{name: "raw data file", spec: spec{version: 3, clusterBits: 12, refcountBits: 16, data: "raw"}},
	{name: "backing file", spec: spec{version: 3, clusterBits: 16, refcountBits: 16, depth: 1, rawBase: true}},
	{name: "zoned v6", zoned: "v6", spec: spec{clusterBits: 16, refcountBits: 16}},
	{name: "zoned v8 of 4K", zoned: "v8", spec: spec{clusterBits: 12, refcountBits: 16}},
	{name: "zoned v11 extended", zoned: "v11", spec: spec{clusterBits: 14, refcountBits: 16, extended: true}},
	{name: "zoned v14 of 512", zoned: "v14", spec: spec{clusterBits: 9, refcountBits: 8}},
}

// tallyDamage counts what became of the damaged images.
type tallyDamage struct{ sound, repaired, left, refused atomic.Int64 }

// TestDamage damages images at random and lets stock qemu-img judge our check and
// repair: what check calls sound qemu-img opens, finds sound and reads alike; what
// repair calls sound after it, too. A repair leaves no more errors than there were, a
// second one has nothing to do, no byte of the disk that qemu-img's repair keeps is
// lost, and no zone table.
func TestDamage(t *testing.T) {
	t.Logf("seed %d", *damageSeed)
	var sum tallyDamage
	t.Run("kinds", func(t *testing.T) {
		for n, k := range damageKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				var source *bench
				for at := n; at < *damaged; at += len(damageKinds) {
					if *damageOnly >= 0 && at != *damageOnly {
						continue
					}
					if source == nil {
						source = k.make(t)
					}
					damageOne(source, k, at, &sum)
				}
			})
		}
	})
	t.Logf("%d damaged images: %d sound all the same, %d repaired, %d with errors left, %d refused",
		sum.sound.Load()+sum.repaired.Load()+sum.left.Load()+sum.refused.Load(),
		sum.sound.Load(), sum.repaired.Load(), sum.left.Load(), sum.refused.Load())
}

// make makes the sound image of a kind, and out.raw, its disk.
func (k damageKind) make(t *testing.T) *bench {
	b := &bench{T: t, dir: t.TempDir(), spec: k.spec, rng: rand.New(rand.NewPCG(1, 0))}
	if k.zoned != "" {
		b.makeZoned(k.zoned)
		return b
	}
	b.make()
	if k.bitmap {
		b.run("qemu-img", "bitmap", "--add", image, "b0")
		b.run("qemu-img", "bitmap", "--add", "-g", "512", image, "b1")
		b.fill(image, "qcow2", b.spec.size(), 4, false)
	}
	b.check()
	b.raw()
	return b
}

// damageOne makes a damaged copy in a folder of its own and judges it.
func damageOne(source *bench, k damageKind, at int, sum *tallyDamage) {
	source.T.Run(fmt.Sprint(at), func(t *testing.T) {
		b := &bench{T: t, dir: t.TempDir(), spec: k.spec, rng: rand.New(rand.NewPCG(*damageSeed, uint64(at)))}
		entries, err := os.ReadDir(source.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b.write(e.Name(), source.read(e.Name()))
		}
		disk := b.read("out.raw")
		for _, what := range b.damage() {
			t.Log(what)
		}
		(&judge{bench: b, disk: disk, zoned: k.zoned != "", sum: sum}).judge()
	})
}

func (b *bench) write(name string, data []byte) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), data, 0o600); err != nil {
		b.Fatal(err)
	}
}
