// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	"zqublkd/internal/storage"
)

// TestFile holds both implementations to the interface.
func TestFile(t *testing.T) {
	makers := map[string]func(t *testing.T) storage.File{
		"OSFile":   func(t *testing.T) storage.File { return create(t) },
		"Mem":      func(t *testing.T) storage.File { return new(Mem) },
		"Recorder": func(t *testing.T) storage.File { return NewRecorder(new(Mem)) },
	}
	for name, maker := range makers {
		t.Run(name, func(t *testing.T) {
			t.Run("read and write", func(t *testing.T) { testReadWrite(t, maker(t)) })
			t.Run("size", func(t *testing.T) { testSize(t, maker(t)) })
			t.Run("holes", func(t *testing.T) { testHoles(t, maker(t)) })
			t.Run("bad ranges", func(t *testing.T) { testBadRanges(t, maker(t)) })
		})
	}
}

func testReadWrite(t *testing.T, f storage.File) {
	mustWrite(t, f, "hello", 10)
	mustRead(t, f, 8, "\x00\x00hello")
	p := make([]byte, 9)
	if n, err := f.ReadAt(p, 10); n != 5 || err != io.EOF {
		t.Errorf("read across the end = %d, %v; want 5, EOF", n, err)
	}
	if n, err := f.ReadAt(p, 100); n != 0 || err != io.EOF {
		t.Errorf("read behind the end = %d, %v; want 0, EOF", n, err)
	}
	if n, err := f.ReadAt(nil, 100); n != 0 || err != nil {
		t.Errorf("empty read = %d, %v", n, err)
	}
	if err := f.Datasync(); err != nil {
		t.Error(err)
	}
}

func testSize(t *testing.T, f storage.File) {
	mustWrite(t, f, "0123456789", 0)
	for _, size := range []int64{5, 20, 1 << 40, 0} {
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Size(); got != size || err != nil {
			t.Errorf("Size = %d, %v; want %d", got, err, size)
		}
		if size == 20 {
			mustRead(t, f, 0, "01234"+strings.Repeat("\x00", 15))
		}
	}
}

func testHoles(t *testing.T, f storage.File) {
	const unit = 64 << 10
	mustWrite(t, f, string(bytes.Repeat([]byte{7}, 3*unit)), unit)
	if err := f.PunchHole(2*unit+1, unit); err != nil {
		t.Fatal(err)
	}
	mustRead(t, f, 2*unit, "\x07\x00")
	mustRead(t, f, 3*unit, "\x00\x07")
	if err := f.PunchHole(0, 4*unit); err != nil {
		t.Fatal(err)
	}
	if size, _ := f.Size(); size != 4*unit {
		t.Errorf("a punch changed the size to %d", size)
	}
	if at, err := f.SeekData(0); err != io.EOF {
		t.Errorf("data at %d (%v) of a file of holes", at, err)
	}
	mustWrite(t, f, "x", 2*unit)
	if at, err := f.SeekData(5); at != 2*unit || err != nil {
		t.Errorf("SeekData = %d, %v; want %d", at, err, 2*unit)
	}
	if at, err := f.SeekData(8 * unit); err != io.EOF {
		t.Errorf("SeekData behind the end = %d, %v", at, err)
	}
	if err := f.PunchHole(5, 0); err != nil {
		t.Errorf("empty punch: %v", err)
	}
}

func testBadRanges(t *testing.T, f storage.File) {
	p := []byte{1, 2}
	for _, off := range []int64{-1, math.MinInt64, math.MaxInt64} {
		if _, err := f.ReadAt(p, off); err == nil || err == io.EOF {
			t.Errorf("read at %d: %v", off, err)
		}
		if _, err := f.WriteAt(p, off); err == nil {
			t.Errorf("write at %d succeeded", off)
		}
		if f.PunchHole(off, 2) == nil {
			t.Errorf("punch at %d succeeded", off)
		}
	}
	if f.Truncate(-1) == nil || f.PunchHole(0, -1) == nil {
		t.Error("negative length accepted")
	}
	if _, err := f.SeekData(-1); err == nil {
		t.Error("negative seek accepted")
	}
}
