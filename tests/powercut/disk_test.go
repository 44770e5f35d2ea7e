// SPDX-License-Identifier: Apache-2.0

package powercut

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func fill(b byte, sectors int) []byte { return bytes.Repeat([]byte{b}, sectors*sector) }

func TestFlushedSurvives(t *testing.T) {
	d := NewDisk(8 * sector)
	d.WriteAt(fill(1, 2), 0, false)
	d.Flush()
	d.WriteAt(fill(2, 1), sector, false)
	d.WriteAt(fill(3, 1), sector, true) // lands last, whatever the cache does
	d.Cut(rand.New(rand.NewPCG(1, 1)))
	if err := d.ReadAt(make([]byte, sector), 0); err == nil {
		t.Error("read without power")
	}
	d.On()
	got := make([]byte, 2*sector)
	if err := d.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if want := append(fill(1, 1), fill(3, 1)...); !bytes.Equal(got, want) {
		t.Errorf("sectors hold %d and %d", got[0], got[sector])
	}
}

// TestCut: after a cut each sector holds what was durable, or what was written
// to it later, never something older.
func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const sectors = 6
		d := NewDisk(sectors * sector)
		may := make([]map[byte]bool, sectors)
		for i := range may {
			may[i] = map[byte]bool{0: true}
		}
		current := make([]byte, sectors)
		for i := range rapid.IntRange(0, 30).Draw(t, "requests") {
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				d.Flush()
				for i := range may {
					may[i] = map[byte]bool{current[i]: true}
				}
				continue
			}
			at := rapid.IntRange(0, sectors-1).Draw(t, "at")
			n := rapid.IntRange(1, sectors-at).Draw(t, "sectors")
			fua := rapid.Bool().Draw(t, "fua")
			d.WriteAt(fill(byte(i+1), n), int64(at*sector), fua)
			for k := at; k < at+n; k++ {
				if fua {
					may[k] = map[byte]bool{}
				}
				current[k] = byte(i + 1)
				may[k][current[k]] = true
			}
		}
		d.Cut(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		d.On()
		got := make([]byte, sectors*sector)
		d.ReadAt(got, 0)
		for i := range may {
			if !may[i][got[i*sector]] {
				t.Fatalf("sector %d holds %d, may hold %v", i, got[i*sector], may[i])
			}
		}
	})
}
