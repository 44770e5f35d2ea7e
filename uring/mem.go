// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Mem is page-aligned anonymous memory outside the Go heap: it never moves and is freed only by
// Free, so the kernel may read and write it at any time until then.
type Mem struct {
	b []byte
}

// NewMem maps n bytes, rounded up to whole pages, already present and zeroed.
func NewMem(n int) (*Mem, error) {
	if n <= 0 {
		return nil, fmt.Errorf("mapped memory of %d bytes: the size must be positive", n)
	}
	page := unix.Getpagesize()
	n = (n + page - 1) / page * page
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of memory: %w", n, err)
	}
	return &Mem{b: b}, nil
}

// Bytes is the memory. It must not be used after Free.
func (m *Mem) Bytes() []byte { return m.b }

// Free unmaps the memory. Nothing may be in flight on it. A second call does nothing.
func (m *Mem) Free() error {
	if m.b == nil {
		return nil
	}
	b := m.b
	m.b = nil
	return unix.Munmap(b)
}
