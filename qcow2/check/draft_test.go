// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"zqublkd/internal/storage/storagetest"
)

// A draft reads as the file will after it is committed, and leaves it alone until
// then.
func TestDraft(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		base := make([]byte, rng.IntN(30000))
		for k := range base {
			base[k] = byte(rng.Uint32())
		}
		mem, want := storagetest.NewMem(base), storagetest.NewMem(base)
		d, err := newDraft(mem)
		if err != nil {
			t.Fatal(err)
		}
		for range rng.IntN(8) {
			p := bytes.Repeat([]byte{byte(rng.Uint32())}, 1+rng.IntN(9000))
			off := rng.Int64N(40000)
			d.WriteAt(p, off)
			want.WriteAt(p, off)
			if size, _ := want.Size(); rng.IntN(3) == 0 {
				d.Truncate(size + 5000)
				want.Truncate(size + 5000)
			}
		}
		if !bytes.Equal(mem.Bytes(), base) {
			t.Fatalf("seed %d: the file has changed", seed)
		}
		mustReadAlike(t, d, want, rng)
		if err := d.Commit(); err != nil || !bytes.Equal(mem.Bytes(), want.Bytes()) {
			t.Fatalf("seed %d: commit: %v", seed, err)
		}
	}
}

func mustReadAlike(t *testing.T, d *draft, want *storagetest.Mem, rng *rand.Rand) {
	t.Helper()
	for range 50 {
		off, a := rng.Int64N(60000), make([]byte, rng.IntN(12000))
		b := make([]byte, len(a))
		n, err := d.ReadAt(a, off)
		m, wantErr := want.ReadAt(b, off)
		if n != m || err != wantErr || !bytes.Equal(a[:n], b[:m]) {
			t.Fatalf("%d bytes at %d: %d, %v instead of %d, %v", len(a), off, n, err, m, wantErr)
		}
		at, err := d.SeekData(off)
		size, _ := want.Size()
		if err == io.EOF {
			at = max(size, off)
		}
		if err != nil && err != io.EOF || at < off {
			t.Fatalf("data from %d on: %d, %v", off, at, err)
		}
		skipped := make([]byte, max(min(at, size)-off, 0))
		want.ReadAt(skipped, off)
		if !bytes.Equal(skipped, make([]byte, len(skipped))) {
			t.Fatalf("data from %d on: none before %d (%v), and there is some", off, at, err)
		}
	}
}
