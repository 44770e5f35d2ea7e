// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// TestMemAgainstBytes: a Mem and its clones, cloned at any time, each hold what
// a plain slice of bytes holds after the same calls.
func TestMemAgainstBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mems, models := []*Mem{new(Mem)}, [][]byte{nil}
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			k := rapid.IntRange(0, len(mems)-1).Draw(t, "which")
			off := rapid.Int64Range(0, 3*memChunk).Draw(t, "off")
			n := rapid.SampledFrom([]int64{1, 511, memPage, memPage + 1, 3 * memPage, memChunk}).Draw(t, "len")
			switch rapid.IntRange(0, 4).Draw(t, "call") {
			case 0:
				mems, models = append(mems, mems[k].Clone()), append(models, bytes.Clone(models[k]))
			case 1:
				mems[k].Truncate(off)
				models[k] = resized(models[k], off)
			case 2:
				mems[k].PunchHole(off, n)
				end := min(off+n, int64(len(models[k])))
				clear(models[k][min(off, end):end])
			default:
				data := bytes.Repeat([]byte{byte(len(mems)*16 + k + 1)}, int(n))
				mems[k].WriteAt(data, off)
				models[k] = resized(models[k], max(off+n, int64(len(models[k]))))
				copy(models[k][off:], data)
			}
		}
		for k := range mems {
			if !bytes.Equal(mems[k].Bytes(), models[k]) {
				t.Fatalf("copy %d of %d differs from its model", k, len(mems))
			}
			mustSeek(t, mems[k], models[k])
		}
	})
}

func resized(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

// mustSeek: SeekData passes over nothing but zeros.
func mustSeek(t *rapid.T, m *Mem, model []byte) {
	off := int64(0)
	for {
		at, err := m.SeekData(off)
		if err == io.EOF {
			at = int64(len(model))
		}
		if len(bytes.Trim(model[min(off, at):at], "\x00")) > 0 {
			t.Fatalf("SeekData(%d) = %d, %v passes over data", off, at, err)
		}
		if err == io.EOF {
			return
		}
		off = at + memPage
		if off >= int64(len(model)) {
			return
		}
	}
}
