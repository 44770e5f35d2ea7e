// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// workload is something to do to an image while the power may fail. A short
// one is so small that every state can be looked at.
type workload struct {
	name  string
	short bool
	image func(t *testing.T) *storagetest.Mem
	do    func(r *crashRun)
}

// zones are images of five small zones, the first conventional.
func zones(o qcow2.CreateOptions, change ...func(*qcow2.ZoneOptions)) func(t *testing.T) *storagetest.Mem {
	o.Zone = &qcow2.ZoneOptions{Size: 256 << 10, Capacity: 192 << 10, Conventional: 1}
	for _, f := range change {
		f(o.Zone)
	}
	if o.Size == 0 {
		o.Size = 5 * o.Zone.Size
	}
	return func(t *testing.T) *storagetest.Mem { return created(t, o) }
}

// sectors are such images with logical blocks of one sector.
func sectors(o qcow2.CreateOptions) func(t *testing.T) *storagetest.Mem {
	o.LogicalBlockSize = 512
	return zones(o)
}

func plain(o qcow2.CreateOptions) func(t *testing.T) *storagetest.Mem {
	o.Size = 1 << 20
	return func(t *testing.T) *storagetest.Mem { return created(t, o) }
}

var workloads = []workload{
	{"writes in several zones", true, sectors(qcow2.CreateOptions{ClusterSize: 4096}), writesInZones},
	{"FUA", true, sectors(qcow2.CreateOptions{}), forcedWrites},
	{"finish of part-written zones", true, sectors(qcow2.CreateOptions{ClusterSize: 8192}), finishes},
	{"reset and rewrite", true, sectors(qcow2.CreateOptions{}), resetAndRewrite},
	{"reset all", true, sectors(qcow2.CreateOptions{ClusterSize: 32768}), resetEverything},
	{"conventional zone overwritten", true, sectors(qcow2.CreateOptions{}), overwrites},
	{"zones full one after the other", true, withReadOnly(5, zones(qcow2.CreateOptions{ClusterSize: 4096, Size: 6 * 16 << 10}, func(z *qcow2.ZoneOptions) {
		z.Size, z.Capacity, z.MaxActive = 16<<10, 12<<10, 2
	})), fullOneAfterTheOther},

	{"mix, clusters of 64K", false, zones(qcow2.CreateOptions{}), mix},
	{"mix, clusters of 512", false, zones(qcow2.CreateOptions{ClusterSize: 512}), mix},
	{"mix, refcounts of 1 bit", false, zones(qcow2.CreateOptions{ClusterSize: 4096, RefcountBits: 1}), mix},
	{"mix, subclusters", false, zones(qcow2.CreateOptions{ExtendedL2: true}), mix},
	{"mix, clusters of one zone", false, zones(qcow2.CreateOptions{ClusterSize: 256 << 10}), mix},
	{"mix, zones smaller than a cluster", false, rezoned(16<<10, 12<<10), mix},
	{"mix, zones that cut clusters", false, rezoned(96<<10, 90<<10), mix},
	{"mix, layout v8", false, zones(qcow2.CreateOptions{ClusterSize: 4096}, func(z *qcow2.ZoneOptions) { z.Revision = "v8" }), mix},
	{"mix, layout v11", false, zones(qcow2.CreateOptions{ClusterSize: 4096}, func(z *qcow2.ZoneOptions) { z.Revision = "v11" }), mix},
	{"mix, layout v14", false, zones(qcow2.CreateOptions{ClusterSize: 4096}, func(z *qcow2.ZoneOptions) { z.Revision = "v14" }), mix},
	{"mix, limits with evictions", false, zones(qcow2.CreateOptions{Size: 8 * 256 << 10}, func(z *qcow2.ZoneOptions) {
		z.MaxOpen, z.MaxActive = 2, 3
	}), mixWithinLimits},
	{"mix, compressed clusters", false, foreign(zones(qcow2.CreateOptions{ClusterSize: 4096})), mix},
	{"plain disk", false, plain(qcow2.CreateOptions{ClusterSize: 4096}), plainMix},
	{"plain disk, compressed clusters", false, foreign(plain(qcow2.CreateOptions{ClusterSize: 8192})), plainMix},
	{"appends on several queues", false, zones(qcow2.CreateOptions{ClusterSize: 16384}), appends},
	{"everything at once", false, zones(qcow2.CreateOptions{ClusterSize: 4096, Size: 9 * 256 << 10}), atOnce},
	{"everything at once, within limits", false, zones(qcow2.CreateOptions{Size: 9 * 256 << 10}, func(z *qcow2.ZoneOptions) {
		z.MaxOpen, z.MaxActive = 4, 4
	}), atOnce},
	{"a second power cut", false, cutBefore(zones(qcow2.CreateOptions{ClusterSize: 4096}), mix), mix},
	{"a second power cut on a plain disk", false, cutBefore(plain(qcow2.CreateOptions{ClusterSize: 4096}), plainMix), plainMix},
	{"resets without room", true, sectors(qcow2.CreateOptions{ClusterSize: 4096}), resetsWithoutRoom},
	{"killed now and then", false, zones(qcow2.CreateOptions{ClusterSize: 4096}), killedNowAndThen},
	{"killed, compressed clusters", false, foreign(zones(qcow2.CreateOptions{ClusterSize: 4096})), killedNowAndThen},
	{"killed on a plain disk, compressed clusters", false, foreign(plain(qcow2.CreateOptions{ClusterSize: 8192})), killedOnPlainDisk},
	{"syncs fail", false, zones(qcow2.CreateOptions{ClusterSize: 4096}), syncsFail},
	{"syncs fail on a plain disk", false, plain(qcow2.CreateOptions{ClusterSize: 4096}), syncsFailOnPlainDisk},
	{"syncs fail, compressed clusters", false, foreign(plain(qcow2.CreateOptions{ClusterSize: 8192})), syncsFailOnPlainDisk},
	{"everything at once, writes in two", false, zones(qcow2.CreateOptions{ClusterSize: 4096, Size: 9 * 256 << 10}), writesInTwo},
	{"past the page cache", false, foreign(plain(qcow2.CreateOptions{ClusterSize: 8192})), interleaved},
	{"past the page cache of a device", false, foreign(plain(qcow2.CreateOptions{ClusterSize: 8192})), interleaved},
	{"overlay, resets", true, over(4096, sectors(qcow2.CreateOptions{ClusterSize: 4096})), overlayResets},
	{"overlay", false, over(4096, zones(qcow2.CreateOptions{ClusterSize: 4096})), mix},
	{"overlay, clusters of 64K over those of 512", false, over(64<<10, sectors(qcow2.CreateOptions{ClusterSize: 512})), mix},
	{"overlay of subclusters", false, over(8192, zones(qcow2.CreateOptions{ExtendedL2: true})), mix},
	{"overlay of compressed clusters", false, over(4096, foreign(zones(qcow2.CreateOptions{ClusterSize: 4096}))), mix},
	{"overlay, killed", false, over(16<<10, zones(qcow2.CreateOptions{ClusterSize: 4096})), killedNowAndThen},
	{"overlay, syncs fail", false, over(4096, zones(qcow2.CreateOptions{ClusterSize: 4096})), syncsFail},
	{"reset and rewrite, counted", true, zones(qcow2.CreateOptions{LogicalBlockSize: 512}, counted), resetAndRewrite},
	{"finish of part-written zones, counted", true, zones(qcow2.CreateOptions{ClusterSize: 8192, LogicalBlockSize: 512}, counted), finishes},
	{"reset all, counted", true, zones(qcow2.CreateOptions{ClusterSize: 512, LogicalBlockSize: 512}, counted), resetEverything},
	{"mix, counted", false, zones(qcow2.CreateOptions{ClusterSize: 4096}, counted), mix},
	{"everything at once, counted", false, zones(qcow2.CreateOptions{ClusterSize: 4096, Size: 9 * 256 << 10}, counted), atOnce},
	{"btrfs", false, zones(qcow2.CreateOptions{Size: 256 << 20}, func(z *qcow2.ZoneOptions) {
		z.Size, z.Capacity, z.Conventional, z.MaxOpen, z.MaxActive = 4<<20, 3<<20, 0, 12, 14
	}), replay("btrfs")},
	{"f2fs", false, zones(qcow2.CreateOptions{Size: 256 << 20}, func(z *qcow2.ZoneOptions) {
		z.Size, z.Capacity, z.Conventional = 2<<20, 2<<20, 24
	}), replay("f2fs")},
}

// pastCache are the workloads whose data goes past the page cache of the file, and
// whether a collision there is told by no sync.
var pastCache = map[string]bool{"past the page cache": false, "past the page cache of a device": true}

func writesInZones(r *crashRun) {
	r.write(1, 1536)
	r.write(2, 512)
	r.flush()
	r.write(1, 512)
	r.write(3, 1024)
	r.write(2, 1536)
	r.flush()
	r.write(1, 512)
	r.flush()
	r.flush()
	r.write(3, 512)
}

func forcedWrites(r *crashRun) {
	r.write(1, 1024)
	r.writeFUA(1, 1024)
	r.write(2, 512)
	r.writeFUA(1, 512)
	r.put(4096, 1024, ublk.FlagFUA)
	r.put(4096, 512, 0)
	r.writeFUA(2, 1024)
}

func finishes(r *crashRun) {
	r.write(1, 1024)
	r.finish(1)
	r.write(2, 9216)
	r.flush()
	r.write(2, 512)
	r.fail(2, 2048, 1536) // leaves old bytes above the write pointer
	r.finish(2)
	r.finish(3)
	r.reset(2)
	r.write(2, 512)
	r.finish(2)
	r.flush()
}

func resetAndRewrite(r *crashRun) {
	r.write(1, 2048)
	r.flush()
	r.reset(1)
	r.write(1, 1024)
	r.reset(1)
	r.write(1, 512)
	r.flush()
	r.write(1, 512)
	r.finish(1)
	r.reset(1)
	r.write(1, 512)
}

func resetEverything(r *crashRun) {
	r.write(1, 1024)
	r.write(3, 512)
	r.flush()
	r.write(4, 512)
	r.resetAll()
	r.write(3, 1024)
	r.write(1, 512)
	r.flush()
	r.finish(4)
	r.resetAll()
	r.write(4, 512)
}

func overwrites(r *crashRun) {
	r.put(0, 1024, 0)
	r.flush()
	r.put(512, 1024, 0)
	r.write(1, 512)
	r.put(128<<10, 512, 0)
	r.flush()
	r.put(0, 1536, 0)
	r.put(512, 512, 0)
	r.flush()
	r.put(0, 512, 0)
}

// fullOneAfterTheOther keeps two zones active all the time, the most there may
// be: a zone becomes active as soon as another is full.
func fullOneAfterTheOther(r *crashRun) {
	r.write(1, 4096)
	r.write(2, 8192)
	r.flush()
	r.write(1, 8192)
	r.write(3, 4096)
	r.flush()
	r.write(2, 4096)
	r.write(4, 4096)
	r.write(3, 8192)
	r.flush()
}

// mix is everything a zoned disk takes, one after the other.
func mix(r *crashRun) {
	for range 110 {
		r.mixedStep(r.sequential())
	}
}

func (r *crashRun) mixedStep(zone uint32) {
	switch k := r.rng.IntN(24); {
	case k < 11:
		r.write(zone, r.blocks(20))
	case k < 13:
		r.overwriteSome()
	case k == 13:
		r.writeFUA(zone, r.blocks(4))
	case k < 18:
		r.flush()
	case k < 20:
		r.reset(zone)
	case k < 22:
		r.finish(zone)
	case k == 22 && r.mapped(zone, 8192):
		r.fail(zone, 8192, r.rng.IntN(8192))
	case k == 23 && r.rng.IntN(8) == 0:
		r.resetAll()
	}
}

// overwriteSome writes anywhere in the conventional zones.
func (r *crashRun) overwriteSome() {
	size := r.geo.WritableEnd(r.geo.Conventional - 1)
	n := min(r.blocks(6), size)
	off := r.rng.Uint64N((size-n)/r.block+1) * r.block
	r.put(off, min(n, r.geo.WritableEnd(r.geo.ZoneOf(off))-off), 0)
}

// mixWithinLimits fills zones up and opens others, as far as the limit allows.
func mixWithinLimits(r *crashRun) {
	for range 160 {
		zone := r.sequential()
		if r.wp(zone) == r.geo.Start(zone) && r.s.disk.zones.Active() >= 3 {
			r.fillOne()
			continue
		}
		if r.rng.IntN(3) > 0 {
			r.write(zone, r.blocks(20))
		} else {
			r.mixedStep(zone)
		}
	}
}

// fillOne writes some active zone until it is full.
func (r *crashRun) fillOne() {
	for z := r.geo.Conventional; z < r.geo.Zones(); z++ {
		if r.wp(z) > r.geo.Start(z) && r.left(z) > 0 {
			r.write(z, r.left(z))
			return
		}
	}
}

// plainMix is what a disk without zones takes.
func plainMix(r *crashRun) { plainSteps(r, 110) }

func plainSteps(r *crashRun, n int) {
	for range n {
		n := r.blocks(8)
		off := r.rng.Uint64N((r.geo.Size-n)/r.block) * r.block
		switch k := r.rng.IntN(16); {
		case k < 8:
			r.put(off, n, 0)
		case k == 8:
			r.put(off, n, ublk.FlagFUA)
		case k < 11:
			r.zero(ublk.OpDiscard, off, n)
		case k < 13:
			r.zero(ublk.OpWriteZeroes, off, n)
		default:
			r.flush()
		}
	}
}
