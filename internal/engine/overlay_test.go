// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// closers are files closed as one.
type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, f := range c {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// openDiskOver opens the image in file and the backing file that it names, which
// is a real one.
func openDiskOver(file storage.File, o DiskOptions) (*Disk, error) {
	h, err := qcow2.ReadHeader(file)
	if err != nil || h.BackingFile == "" {
		return openDiskIn(file, o)
	}
	below, err := storage.Open(h.BackingFile, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	open := qcow2.OpenOptions{ReadOnly: o.ReadOnly}
	lower, err := qcow2.Open(below, qcow2.OpenOptions{ReadOnly: true})
	if err == nil {
		open.Base, err = qcow2.BaseImage(lower)
	}
	var img *qcow2.Image
	if err == nil {
		img, err = qcow2.Open(file, open)
	}
	if err != nil {
		return nil, errors.Join(err, below.Close())
	}
	return newDisk(file, closers{file, below}, img, o)
}

// over is an overlay, with clusters of some size, of an image that holds data: in
// zones that are full, finished and part-written, and above write pointers, as a
// crash leaves it.
func over(clusterSize uint64, image func(t *testing.T) *storagetest.Mem) func(t *testing.T) *storagetest.Mem {
	return func(t *testing.T) *storagetest.Mem {
		mem := image(t)
		s := newSimIn(t, mem, 1, 4)
		geo := s.disk.geo
		for z := range min(geo.Zones(), 5) {
			n := min(geo.Capacity(z)/8*uint64(z+1), simMaxIO) / 4096 * 4096
			if wp := s.disk.zones.State(z).WP; geo.IsConventional(z) || wp == geo.Start(z) {
				must(t, "write", s.write(geo.Start(z), contents(n-512*uint64(z)%4096/s.block()*s.block(), 1<<50+uint64(z))))
			}
		}
		must(t, "finish", s.zone(ublk.OpZoneFinish, geo.Start(2)))
		s.close()
		leaveStale(t, mem)
		return overlayOf(t, mem, clusterSize)
	}
}

// block is the logical block of the disk in bytes.
func (s *sim) block() uint64 { return uint64(s.disk.img.LogicalBlockSize()) }

// leaveStale stores data right above the write pointers of an image, and in the last
// zone.
func leaveStale(t *testing.T, mem *storagetest.Mem) {
	img, err := qcow2.Open(mem, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	z := img.Zoned()
	err = img.EachZone(func(k uint32, e format.ZoneEntry) error {
		if e.Conventional || z.WritableEnd(k)-e.WP < 1024 {
			return nil
		}
		return img.WriteAt(contents(1024, 1<<51+uint64(k)), e.WP)
	})
	if err := errors.Join(err, img.Close()); err != nil {
		t.Fatal(err)
	}
}

// overlayOf makes an overlay of an image, which gets a file of its own.
func overlayOf(t *testing.T, base *storagetest.Mem, clusterSize uint64) *storagetest.Mem {
	path := filepath.Join(t.TempDir(), "golden.qcow2")
	if err := os.WriteFile(path, base.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := qcow2.Open(base, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return created(t, qcow2.CreateOptions{ClusterSize: clusterSize, Backing: &qcow2.BackingOptions{Name: path, Format: "qcow2", Image: img}})
}

// overlayResets resets zones that have data below, goes on writing within clusters
// that have some, and finishes zones of both kinds.
func overlayResets(r *crashRun) {
	r.reset(1)
	r.write(1, 512)
	r.write(3, 1024) // in the middle of a cluster
	r.flush()
	r.write(3, 512)
	r.put(1024, 512, 0) // in the middle of a conventional one
	r.finish(3)
	r.reset(2)
	r.write(2, 1024)
	r.flush()
	r.finish(2)
	r.reset(4)
	r.finish(4)
	r.write(1, 512)
	r.finish(1)
	r.put(512, 1024, 0)
	r.reset(3)
}
