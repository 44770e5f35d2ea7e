// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// overlay makes an image over a raw file that holds data, and returns its path.
func overlay(t *testing.T, cluster, size uint64, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "top.qcow2")
	if err := os.WriteFile(filepath.Join(dir, "base.raw"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := storage.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := qcow2.Create(f, qcow2.CreateOptions{Size: size, ClusterSize: cluster, LogicalBlockSize: 512}); err != nil {
		t.Fatal(err)
	}
	h, err := qcow2.ReadHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	h.BackingFile = "base.raw"
	h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtBackingFormat, Data: []byte("raw")})
	b, err := h.Encode()
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func simOver(t *testing.T, path string) *sim {
	t.Helper()
	d, err := OpenDisk(path, DiskOptions{Direct: true, Allow: Allow{Backing: true}, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	return simDisk(t, d, 2, 16)
}

// TestBackingFile: reads come from the layer that has the bytes, writes of all
// sizes at the same time from several queues, into the same clusters, end up in
// the image, and the file below stays as it was.
func TestBackingFile(t *testing.T) {
	const size = 4 << 20
	for _, cluster := range []uint64{4096, 64 << 10, 1 << 20} {
		base := pattern(1, 3<<20+512) // shorter than the disk
		disk := make([]byte, size)
		copy(disk, base)
		path := overlay(t, cluster, size, base)
		s := simOver(t, path)
		s.mustRead(0, disk[:1<<20])
		s.mustRead(2560<<10, disk[2560<<10:3584<<10])
		var all sync.WaitGroup
		for w := range 4 { // each has sectors of its own, in every cluster
			all.Go(func() {
				rng := rand.New(rand.NewPCG(cluster, uint64(w)))
				for k := range 24 {
					at := rng.Uint64N(size/16384)*16384 + uint64(w)*4096
					data := pattern(uint64(w*1000+k), 512*(1+rng.IntN(8)))
					op, payload := ublk.OpWrite, data
					if k%6 == 5 {
						op, payload, data = ublk.OpWriteZeroes, nil, make([]byte, len(data))
					}
					if errno := s.do(op, 0, at, uint32(len(data)), payload).errno(); errno != 0 {
						t.Errorf("%v at %d: %v", op, at, errno)
					}
					copy(disk[at:], data)
					s.mustRead(at, data)
				}
			})
		}
		all.Wait()
		for at := uint64(0); at < size; at += 1 << 20 {
			s.mustRead(at, disk[at:at+1<<20])
		}
		must(t, "discard", s.do(ublk.OpDiscard, 0, 1<<20, 2<<20, nil).errno())
		clear(disk[1<<20 : 3<<20])
		must(t, "flush", s.flush())
		s.close()
		checkImage(t, path)
		s = simOver(t, path)
		for at := uint64(0); at < size; at += 1 << 20 {
			s.mustRead(at, disk[at:at+1<<20])
		}
		s.close()
		if after, err := os.ReadFile(filepath.Join(filepath.Dir(path), "base.raw")); err != nil || !bytes.Equal(after, base) {
			t.Errorf("the backing file has changed (%v)", err)
		}
	}
}
