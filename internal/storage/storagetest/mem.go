// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"io"
	"sync"

	"zqublkd/internal/storage"
)

// Mem is a sparse File in memory, for tests. Its zero value is an empty file.
type Mem struct {
	mu    sync.RWMutex
	size  int64
	pages pages
}

var _ storage.File = (*Mem)(nil)

// NewMem returns a file that starts with a copy of data.
func NewMem(data []byte) *Mem {
	m := new(Mem)
	m.WriteAt(data, 0)
	return m
}

// Clone returns an independent copy. It costs little, whatever the size.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{size: m.size, pages: m.pages.clone()}
}

// become makes the contents those of other, which is given up.
func (m *Mem) become(other *Mem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size, m.pages = other.size, other.pages
}

// Bytes returns a copy of the contents.
func (m *Mem) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p := make([]byte, m.size)
	m.copyOut(p, 0)
	return p
}

// ReadAt implements File.
func (m *Mem) ReadAt(p []byte, off int64) (int, error) {
	if err := storage.CheckRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := min(int64(len(p)), max(m.size-off, 0))
	m.copyOut(p[:n], off)
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (m *Mem) copyOut(p []byte, off int64) {
	for len(p) > 0 {
		n := min(memPage-off%memPage, int64(len(p)))
		if page := m.pages.at(off); page != nil {
			copy(p[:n], page.data[off%memPage:])
		} else {
			clear(p[:n])
		}
		p, off = p[n:], off+n
	}
}

// WriteAt implements File.
func (m *Mem) WriteAt(p []byte, off int64) (int, error) {
	if err := storage.CheckRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pages == nil {
		m.pages = make(pages)
	}
	total := len(p)
	if total > 0 {
		m.size = max(m.size, off+int64(total))
	}
	for len(p) > 0 {
		n := min(memPage-off%memPage, int64(len(p)))
		copy(m.pages.writable(off).data[off%memPage:], p[:n])
		p, off = p[n:], off+n
	}
	return total, nil
}

// Size implements File.
func (m *Mem) Size() (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.size, nil
}

// Truncate implements File.
func (m *Mem) Truncate(size int64) error {
	if err := storage.CheckRange(size, 0); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if size < m.size {
		m.pages.zero(size, m.size)
	}
	m.size = size
	return nil
}

// Reserve implements File: memory has no space to take.
func (m *Mem) Reserve(off, n int64) error { return storage.CheckRange(off, n) }

// PunchHole implements File.
func (m *Mem) PunchHole(off, n int64) error {
	if err := storage.CheckRange(off, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages.zero(off, min(off+n, m.size))
	return nil
}

// SeekData implements File, with pages of 4096 bytes as the grain.
func (m *Mem) SeekData(off int64) (int64, error) {
	if err := storage.CheckRange(off, 0); err != nil {
		return 0, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	at := m.pages.next(off)
	if at < 0 || at >= m.size {
		return 0, io.EOF
	}
	return at, nil
}

// SeekHole implements File, with the same grain.
func (m *Mem) SeekHole(off int64) (int64, error) {
	if err := storage.CheckRange(off, 0); err != nil {
		return 0, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if off >= m.size {
		return 0, io.EOF
	}
	for off < m.size && m.pages.next(off) == off {
		off += memPage - off%memPage
	}
	return min(off, m.size), nil
}

// Datasync implements File; there is nothing to do.
func (m *Mem) Datasync() error { return nil }

// Settle implements File: what is read is all there is.
func (m *Mem) Settle() error { return nil }

// Fd implements File: -1, memory has no descriptor.
func (m *Mem) Fd() int { return -1 }

// DirectFd implements File.
func (m *Mem) DirectFd() int { return -1 }

// DirectAlign implements File.
func (m *Mem) DirectAlign() int { return 0 }

// Close implements File. The contents stay, so that a test can open them again.
func (m *Mem) Close() error { return nil }
