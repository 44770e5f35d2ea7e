// SPDX-License-Identifier: Apache-2.0

package qcow2test

import (
	"encoding/binary"
	"testing"
)

// SmallImages are small images to be spoiled: a patch is a position and a byte
// to be XORed, which keeps inputs short.
func SmallImages(t testing.TB) (bases [][]byte) {
	for _, o := range []ImageOptions{
		{ClusterBits: 9, Order: 4}, {ClusterBits: 9, Order: 2, Plain: true}, {ClusterBits: 9, Order: 6, Snapshot: true},
	} {
		im := NewImage(t, o)
		im.AddBitmap()
		bases = append(bases, im.Bytes())
	}
	ext := NewImage(t, ImageOptions{ClusterBits: 14, Order: 0, Extended: true})
	return append(bases, ext.Bytes())
}

// Patched is base with bytes changed as a fuzzer's patches say.
func Patched(base, patches []byte) []byte {
	b := append([]byte(nil), base...)
	for ; len(patches) >= 3; patches = patches[3:] {
		b[int(binary.BigEndian.Uint16(patches))%len(b)] ^= patches[2]
	}
	return b
}
