// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// entriesOf reads a zone table through.
func entriesOf(t rapid.TB, table format.ZoneTable) []format.ZoneEntry {
	t.Helper()
	var all []format.ZoneEntry
	err := table.Each(func(zone uint32, word uint64) error {
		all = append(all, table.Decode(zone, word))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readAt(t *testing.T, f storage.File, off int64, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	return b
}

func mustOpen(t testing.TB, f storage.File) *Image {
	t.Helper()
	i, err := Open(f, OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// sameDisk compares contents, passing over what both call zero.
func sameDisk(t testing.TB, a, b *Image) {
	t.Helper()
	if a.VirtualSize() != b.VirtualSize() {
		t.Fatalf("disks of %d and %d bytes", a.VirtualSize(), b.VirtualSize())
	}
	for off := uint64(0); off < a.VirtualSize(); {
		n := a.VirtualSize() - off
		zero := true
		for _, i := range []*Image{a, b} {
			x, err := i.LookupResolved(off, n)
			if err != nil {
				t.Fatal(err)
			}
			zero, n = zero && x.Kind == Zero, x.Len
		}
		if !zero && !bytes.Equal(readDisk(t, a, off, n), readDisk(t, b, off, n)) {
			t.Fatalf("disks differ in %d bytes at %d", n, off)
		}
		off += n
	}
}

func readDisk(t testing.TB, i *Image, off, n uint64) []byte {
	t.Helper()
	p := make([]byte, n)
	if err := i.ReadAt(p, off); err != nil {
		t.Fatal(err)
	}
	return p
}
