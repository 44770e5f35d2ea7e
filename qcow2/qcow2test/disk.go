// SPDX-License-Identifier: Apache-2.0

package qcow2test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// Pattern is what a test writes to n bytes of a disk from byte off on: they differ from place to
// place and are odd: none is zero, or what a model fills unused space with.
func Pattern(off, n uint64) []byte {
	b := make([]byte, n)
	for k := range b {
		at := off + uint64(k)
		b[k] = byte(at>>9)*31 + byte(at>>17) + byte(at) | 1
	}
	return b
}

// Disk is an open image, as far as it can be read.
type Disk interface {
	VirtualSize() uint64
	ReadAt(p []byte, off uint64) error
}

// SHA hashes all of a disk.
func SHA(t testing.TB, d Disk) string {
	t.Helper()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := uint64(0); off < d.VirtualSize(); off += uint64(len(buf)) {
		n := min(d.VirtualSize()-off, uint64(len(buf)))
		if err := d.ReadAt(buf[:n], off); err != nil {
			t.Fatal(err)
		}
		h.Write(buf[:n])
	}
	return hex.EncodeToString(h.Sum(nil))
}
