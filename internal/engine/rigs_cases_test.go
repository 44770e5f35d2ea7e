// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"zqublkd/internal/needs"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestC01_OneDescriptorWritesACluster: writes that had to wait for a copy of their
// cluster, and neighbours that did not, meet on the same pages. Were they to go
// there by two descriptors, the next flush would fail (a file) or some would be
// lost (a device).
func TestC01_OneDescriptorWritesACluster(t *testing.T) {
	images := map[string]rigImage{
		"compressed": {kind: "compressed", cluster: 64 << 10, version: 3},
		"backed":     {kind: "backed", cluster: 64 << 10, version: 3},
		"extended":   {kind: "backed", cluster: 64 << 10, version: 3, extended: true},
		"small":      {kind: "snapshot", cluster: 2048, version: 3},
	}
	for _, s := range rigStores(t) {
		for _, name := range map[string][]string{
			"here": {"backed", "compressed"}, "ext4": {"extended", "small"}, "xfs": {"compressed", "small"}, "device512": {"backed"},
		}[s.name] {
			w := rigWork{Depth: 32, Queues: 2, Count: 32, Least: 1, Most: 1, Seed: 1}
			t.Run(s.name+","+name, func(t *testing.T) { runRig(t, s, images[name], w, true) })
		}
	}
}

// TestC01_SmallClustersOfZones: the clusters of a zone share pages with tables that
// flushes and allocations write.
func TestC01_SmallClustersOfZones(t *testing.T) {
	const zone, block = 1 << 20, 4096
	path := newImage(t, qcow2.CreateOptions{Size: 16 * zone, ClusterSize: 512, LogicalBlockSize: block, Zone: &qcow2.ZoneOptions{Size: zone}})
	d, err := OpenDisk(path, DiskOptions{Direct: true, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, d, 2, 32)
	var all sync.WaitGroup
	for z := range uint64(16) {
		all.Go(func() {
			for off := z * zone; off < (z+1)*zone; off += block {
				errno := r.do(int(z), ublk.OpWrite, 0, off, block, stamped(off/sectorBytes, block/sectorBytes, off+1)).Errno()
				if errno == 0 && off/block%16 == 15 {
					errno = r.do(int(z), ublk.OpFlush, 0, 0, 0, nil).Errno()
				}
				if errno != 0 {
					t.Errorf("zone %d at %d: %v: %s", z, off, errno, r.why())
					return
				}
			}
		})
	}
	all.Wait()
	r.close()
	checkImage(t, path)
}

// noPunch is a file in which no hole can be punched.
type noPunch struct{ *storage.OSFile }

func (noPunch) PunchHole(int64, int64) error { return storage.ErrNotSupported }

// TestC01_ZerosWhereNoHoleCanBePunched: zeros are written then, beside the writes
// of others to the same pages.
func TestC01_ZerosWhereNoHoleCanBePunched(t *testing.T) {
	i := rigImage{kind: "preallocated", cluster: 64 << 10, version: 3}
	for _, s := range rigStores(t) {
		t.Run(s.name, func(t *testing.T) {
			path, raw := i.make(t, s)
			f, err := storage.Open(path, storage.Options{Direct: true})
			if err != nil {
				t.Fatal(err)
			}
			d, err := openDiskIn(noPunch{f}, DiskOptions{Direct: true, Log: silent()})
			if err != nil {
				t.Fatal(err)
			}
			w := rigWork{Depth: 32, Queues: 2, Count: 24, Least: 1, Most: 1, Seed: 1}
			r, m := newRig(t, d, w.Queues, w.Depth/w.Queues), newSectorModel(rigDisk/sectorBytes, 0)
			if err := w.play(r, m, nil); err != nil {
				t.Error(err)
			}
			r.close()
			i.judge(t, s, path, raw, m)
		})
	}
}

// TestC15_DeviceEndsWithinACluster: a device whose size is no multiple of the
// cluster size takes what fits into its whole clusters.
func TestC15_DeviceEndsWithinACluster(t *testing.T) {
	needs.Root(t, "to make block devices")
	const size = 10<<20 + 4096
	dev := loopDisk(t, t.TempDir(), size)
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", dev, "64M")
	d, err := OpenDisk(dev, DiskOptions{Direct: true, Log: silent()})
	if err != nil {
		t.Fatalf("open for writing: %v", err)
	}
	r := newRig(t, d, 1, 4)
	written := uint64(0)
	const piece = 64 << 10
	for ; ; written += piece {
		if errno := r.do(0, ublk.OpWrite, 0, written, piece, stamped(written/sectorBytes, piece/sectorBytes, written+2)).Errno(); errno != 0 {
			break
		}
	}
	if written < 9<<20 || written > size {
		t.Errorf("%d bytes fit on a device of %d", written, size)
	}
	r.close()
	forgetCache(t, dev)
	if out, err := exec.Command("qemu-img", "check", dev).CombinedOutput(); err != nil {
		t.Errorf("qemu-img check: %v\n%s", err, out)
	}
	out := filepath.Join(t.TempDir(), "out")
	tool(t, "qemu-img", "convert", "-O", "raw", dev, out)
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(0); at < written; at += piece {
		if string(got[at:at+piece]) != string(stamped(at/sectorBytes, piece/sectorBytes, at+2)) {
			t.Fatalf("the piece at %d is not what was written", at)
		}
	}
}
