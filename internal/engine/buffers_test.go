// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"
	"unsafe"
)

// TestBuffers takes one for every tag of each size at once and sees that no two
// of them share a byte.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		name         string
		depth, least int
	}{
		{"one tag", 1, smallBytes}, {"as many as have full size", smallTotal / smallBytes, smallBytes}, {"one more", smallTotal/smallBytes + 1, smallBytes - 4096},
		{"a page each", 512, 4096}, {"the deepest queue", 4096, 4096},
	} {
		t.Run(c.name, func(t *testing.T) { testBuffers(t, c.depth, c.least) })
	}
}

func testBuffers(t *testing.T, depth, least int) {
	const largest = 64 << 10
	b, err := newBuffers(depth, largest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if b.least != least {
		t.Errorf("small buffers of %d bytes, want %d", b.least, least)
	}
	for _, n := range []uint64{1, 4096, uint64(least), uint64(least) + 1, largest} {
		var taken [][]byte
		for tag := range uint16(depth) {
			buf := b.take(tag, n)
			if uint64(len(buf)) != n {
				t.Fatalf("%d bytes asked for, %d given", n, len(buf))
			}
			if n <= uint64(least) && !within(buf, b.small.Bytes()) {
				t.Errorf("tag %d: %d bytes are not in the memory that the ring knows", tag, n)
			}
			for i := range buf {
				buf[i] = byte(tag + 1)
			}
			taken = append(taken, buf)
		}
		for tag, buf := range taken {
			for i, v := range buf {
				if v != byte(tag+1) {
					t.Fatalf("%d bytes: byte %d of tag %d belongs to %d, too", n, i, tag, v-1)
				}
			}
			b.give(buf)
		}
	}
	if len(b.large) != depth {
		t.Errorf("%d large buffers came back, %d were there", len(b.large), depth)
	}
}

// within says that buf is part of area.
func within(buf, area []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(buf)))
	low := uintptr(unsafe.Pointer(unsafe.SliceData(area)))
	return at >= low && at+uintptr(len(buf)) <= low+uintptr(len(area))
}
