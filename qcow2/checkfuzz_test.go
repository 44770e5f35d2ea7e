package qcow2

import (
	"encoding/binary"
	"testing"

	"zqublkd/internal/storage"
)

// fuzzBases are small images to be spoiled: a patch is a position and a byte
// to be XORed, which keeps inputs short.
func fuzzBases(t testing.TB) (bases [][]byte) {
	for _, o := range []handOptions{
		{clusterBits: 9, order: 4}, {clusterBits: 9, order: 2, plain: true}, {clusterBits: 9, order: 6, snapshot: true},
	} {
		im := newHandImage(t, o)
		im.addBitmap()
		bases = append(bases, im.Bytes())
	}
	ext := newHandImage(t, handOptions{clusterBits: 14, order: 0, extended: true})
	return append(bases, ext.Bytes())
}

func patched(base, patches []byte) []byte {
	b := append([]byte(nil), base...)
	for ; len(patches) >= 3; patches = patches[3:] {
		b[int(binary.BigEndian.Uint16(patches))%len(b)] ^= patches[2]
	}
	return b
}

// FuzzCheck: whatever the image, the check ends, changes nothing unless asked
// to, and what a repair reports is what the next check finds.
func FuzzCheck(f *testing.F) {
	bases := fuzzBases(f)
	for i := range bases {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0, 23, 9 ^ 21, 0, 99, 4})           // large clusters
		f.Add(uint8(i), []byte{0, 53, 0xff, 4, 4, 0x10, 6, 6, 64}) // tables elsewhere
	}
	f.Fuzz(func(t *testing.T, base uint8, patches []byte) {
		raw := patched(bases[int(base)%len(bases)], patches[:min(len(patches), 300)])
		rec := storage.NewRecorder(storage.NewMem(raw))
		o := CheckOptions{Memory: 4 << 20, MaxFindings: 50}
		if _, err := Check(rec, o); rec.Len() != 0 {
			t.Fatalf("a check that may change nothing wrote (%v)", err)
		}
		o.Repair = RepairAll
		r, err := Check(rec, o)
		if err != nil {
			return
		}
		again, err := Check(rec, CheckOptions{Memory: 8 << 20})
		if err != nil || again.Corruptions != r.Corruptions || again.Leaks != r.Leaks {
			t.Errorf("after repair %+v\nfresh check %+v, %v", r, again, err)
		}
	})
}
