// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
)

// TestExportRawModel: a raw export is the disk, byte by byte, whatever was where it
// is written to.
func TestExportRawModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 800).Draw(t, "sectors") * 4096
		f := new(storagetest.Mem)
		if err := qcow2.Create(f, qcow2.CreateOptions{Size: size, ClusterSize: 1 << rapid.IntRange(9, 16).Draw(t, "cluster")}); err != nil {
			t.Fatal(err)
		}
		src, err := qcow2.Open(f, qcow2.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, size)
		for range rapid.IntRange(0, 6).Draw(t, "writes") {
			off := rapid.Uint64Range(0, size-1).Draw(t, "off")
			n := rapid.Uint64Range(1, min(size-off, 20000)).Draw(t, "n")
			p := bytes.Repeat([]byte{rapid.SampledFrom([]byte{0, 1, 0xff}).Draw(t, "byte")}, int(n))
			copy(want[off:], p)
			if err := src.WriteAt(p, off); err != nil {
				t.Fatal(err)
			}
		}
		for _, kind := range []string{"stream", "blank", "in place"} {
			var stream bytes.Buffer
			var sink RawSink = RawStream{&stream}
			out := new(storagetest.Mem)
			if kind != "stream" {
				if kind == "in place" {
					out = storagetest.NewMem(bytes.Repeat([]byte{0xee}, int(size)+4096))
				}
				if sink, err = NewRawFile(out, size, kind == "blank"); err != nil {
					t.Fatal(err)
				}
			}
			done := uint64(0)
			if err := ExportRaw(src, sink, ExportOptions{Progress: func(n uint64) { done = n }}); err != nil || done != size {
				t.Fatalf("%s: %v, %d of %d bytes done", kind, err, done, size)
			}
			got := stream.Bytes()
			if kind != "stream" {
				got = make([]byte, size)
				if _, err := out.ReadAt(got, 0); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: the content differs", kind)
			}
		}
	})
}

func TestExportRawNeedsRoom(t *testing.T) {
	if _, err := NewRawFile(storagetest.NewMem(make([]byte, 8191)), 8192, false); !errors.Is(err, storage.ErrTooSmall) {
		t.Error(err)
	}
}
