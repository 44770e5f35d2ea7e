// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func TestUnpack(t *testing.T) {
	want := qcow2test.Pattern(3, 4096)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		unpack func(data, packed []byte) error
		packed []byte
	}{
		"deflate": {inflate, deflated(want)},
		"zstd":    {unpackZstd, z.EncodeAll(want, nil)},
	} {
		got := make([]byte, len(want))
		if err := c.unpack(got, append(c.packed, "what follows"...)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.unpack(got, c.packed[:len(c.packed)/2]); err == nil {
			t.Errorf("%s: half of it is enough", name)
		}
		if err := c.unpack(make([]byte, 8192), c.packed); err == nil {
			t.Errorf("%s: less than a cluster is enough", name)
		}
	}
}

// A broken compressed cluster is an error that can't be mistaken for data, and
// writing over part of it is one too; zeroing all of it is the way out.
func TestBrokenCompressedCluster(t *testing.T) {
	m := compressedSeed()
	i := reopen(t, m)
	host := format.L2Entry(binary.BigEndian.Uint64(m.Bytes()[format.L1Entry(i.l1[0].entry.Load()).Offset():]))
	off, _ := host.CompressedRange(9)
	m.WriteAt(bytes.Repeat([]byte{0xff}, 64), int64(off))
	if err := i.ReadAt(make([]byte, 1), 5); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
	if err := i.WriteAt([]byte{1}, 5); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("write: %v", err)
	}
	if err := i.MakeZero(0, 512); err != nil {
		t.Fatal(err)
	}
	if x := i.Lookup(0, 512); x.Kind != Zero {
		t.Errorf("zeroed to %+v", x)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	qcow2test.MustBeSound(t, m, true)
}

// The clusters of compressed data are given back, but not before a flush.
func TestCompressedSpaceComesBack(t *testing.T) {
	m := compressedSeed()
	i := reopen(t, m)
	e, err := i.mapping(0)
	if err != nil {
		t.Fatal(err)
	}
	off, _ := e.entry.CompressedRange(9)
	count := func() uint64 { n, _ := i.refs.get(off >> 9); return n }
	if err := i.WriteAt([]byte{9}, 100); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 1 {
		t.Errorf("refcount %d before the flush", n)
	}
	if err := i.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("refcount %d after the flush", n)
	}
	want := qcow2test.Pattern(0, 512)
	want[100] = 9
	got := make([]byte, 512)
	if err := i.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read back wrong (%v)", err)
	}
	qcow2test.MustBeSound(t, m, true)
}

// Shared clusters, as others may leave them, are copied before they change.
func TestSharedClusters(t *testing.T) {
	m := new(storagetest.Mem)
	i := create(t, m, CreateOptions{Size: 64 << 10, ClusterSize: 512, LogicalBlockSize: 512})
	if err := i.WriteAt(qcow2test.Pattern(0, 512), 0); err != nil {
		t.Fatal(err)
	}
	share(t, i, m)
	i = reopen(t, m)
	i.Resolve(0, 1)
	if x := i.Lookup(0, 1024); x.Kind != Shared || x.Len != 512 {
		t.Fatalf("looked up as %+v", x)
	}
	if err := errors.Join(i.WriteAt([]byte{9}, 0), i.MakeZero(512+100, 10), i.MakeZero(1024, 512), i.Sync()); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat(qcow2test.Pattern(0, 512), 3)
	want[0] = 9
	clear(want[612:622])
	clear(want[1024:])
	got := make([]byte, len(want))
	if err := i.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read back wrong (%v)", err)
	}
	qcow2test.MustBeSound(t, m, true)
}

// share points the first three clusters of the disk to the host cluster of the
// first.
func share(t *testing.T, i *Image, m *storagetest.Mem) {
	host := i.Lookup(0, 1).Host
	var entries []byte
	for range 3 {
		entries = binary.BigEndian.AppendUint64(entries, host)
	}
	m.WriteAt(entries, int64(format.L1Entry(i.l1[0].entry.Load()).Offset()))
	for range 2 {
		if err := i.refs.adjust(run{host >> 9, 1}, func(n uint64) uint64 { return n + 1 }); err != nil {
			t.Fatal(err)
		}
	}
}
