// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"

	"golang.org/x/sys/unix"

	"zqublkd/uring"
)

// smallBytes is the size of a small buffer: that of most requests that come in
// numbers. Those of a very deep queue are less, down to a page, so that all of
// them take not much more than smallTotal, which is pinned.
const (
	smallBytes = 16 << 10
	smallTotal = 2 << 20
)

// buffers are the queue's data buffers, a small and a large one for each tag,
// so that none ever waits. The small ones lie close together, in memory that
// the ring knows. A large one that was never used costs nothing; the most
// recently used comes first, so that a quiet queue touches little memory.
type buffers struct {
	small *uring.Mem
	least int    // bytes of a small one
	size  uint64 // of a large one
	area  []byte
	large [][]byte // free ones
}

func newBuffers(n int, size uint32) (b *buffers, err error) {
	page := unix.Getpagesize()
	b = &buffers{least: max(min(smallBytes, smallTotal/n)&^(page-1), page), size: uint64(size)}
	if b.small, err = uring.NewMem(n * b.least); err != nil {
		return nil, err
	}
	// Neighbours are a page more than their size apart: requests use the
	// beginning of each, and those would fall on the same lines of the caches.
	stride := int(size) + page
	b.area, err = unix.Mmap(-1, 0, n*stride, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, errors.Join(err, b.small.Free())
	}
	// A huge page would be cleared and taken for the first request on a
	// buffer: milliseconds, and memory for what may never be used. Where the
	// kernel has none there is nothing to refuse.
	_ = unix.Madvise(b.area, unix.MADV_NOHUGEPAGE)
	b.large = make([][]byte, 0, n)
	for i := n - 1; i >= 0; i-- {
		at := i * stride
		b.large = append(b.large, b.area[at:at+int(size):at+int(size)])
	}
	return b, nil
}

// take is a buffer of n bytes for a request on tag, which must have none.
func (b *buffers) take(tag uint16, n uint64) []byte {
	if n <= uint64(b.least) {
		at := int(tag) * b.least
		return b.small.Bytes()[at : at+int(n) : at+b.least]
	}
	last := len(b.large) - 1
	buf := b.large[last]
	b.large = b.large[:last]
	return buf[:n]
}

// give takes back what take gave.
func (b *buffers) give(buf []byte) {
	if cap(buf) > b.least {
		b.large = append(b.large, buf[:cap(buf)])
	}
}

func (b *buffers) close() error { return errors.Join(b.small.Free(), unix.Munmap(b.area)) }
