package server

import (
	"testing"
	"unsafe"
)

// TestBuffers takes one for every tag of each size at once and sees that no two
// of them share a byte.
func TestBuffers(t *testing.T) {
	const depth, largest = 5, 1 << 20
	b, err := newBuffers(depth, largest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	for _, n := range []uint64{1, 4096, smallBytes, smallBytes + 1, largest} {
		var taken [][]byte
		for tag := range uint16(depth) {
			buf := b.take(tag, n)
			if uint64(len(buf)) != n {
				t.Fatalf("%d bytes asked for, %d given", n, len(buf))
			}
			if n <= smallBytes && !within(buf, b.small.Bytes()) {
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
