package qcow2

import (
	"encoding/binary"
	"testing"
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
