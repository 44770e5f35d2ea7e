// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"io"
	"math"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Way is how the bytes of an image's data move to and from its file: all of them
// past the page cache, or all of them through it. Whoever moves data asks it, be
// it for a descriptor or by its methods, so that no page of the cache is ever
// written by both.
type Way struct {
	file   File
	direct int    // descriptor past the page cache, -1: data goes through it
	align  int64  // bytes; what direct needs
	why    string // data goes through the page cache
	part   sync.Mutex
}

// Apart is the Grain.Meta of a file that holds nothing but data.
const Apart = math.MaxUint64

// Grain says how an image lays out its file.
type Grain struct {
	Meta uint64 // data and metadata lie apart by whole multiples of so many bytes
	Data uint64 // data is moved in multiples of so many bytes, from multiples of them on
}

// NewWay chooses the way of the data in f: past the page cache if f was opened
// for that, no page holds both data and metadata, and no transfer is smaller
// than what direct I/O can do.
func NewWay(f File, g Grain) *Way {
	w := PageCache(f)
	align := f.DirectAlign()
	switch {
	case f.DirectFd() < 0:
		w.why = "the image file takes no direct I/O"
	case g.Data < uint64(align):
		w.why = fmt.Sprintf("its data comes in blocks of %d bytes and direct I/O in blocks of %d", g.Data, align)
	case g.Meta < cacheBlock(f.Fd()):
		w.why = fmt.Sprintf("its clusters of %d bytes are smaller than a page of the page cache (%d)", g.Meta, cacheBlock(f.Fd()))
	default:
		w.direct, w.align = f.DirectFd(), int64(align)
	}
	return w
}

// PageCache is the way through the page cache, for files that no ring serves.
func PageCache(f File) *Way { return &Way{file: f, direct: -1, align: 1} }

// Direct says whether data goes past the page cache.
func (w *Way) Direct() bool { return w.direct >= 0 }

// Why says, of data that goes through the page cache, what for.
func (w *Way) Why() string { return w.why }

// Fd is the descriptor for rings that move data; -1 if the file has none.
func (w *Way) Fd() int {
	if w.direct >= 0 {
		return w.direct
	}
	return w.file.Fd()
}

// Align is the alignment in bytes that memory, offset and length need on Fd.
func (w *Way) Align() int { return int(w.align) }

// ReadAt is File.ReadAt for data. Alignment is its own business.
func (w *Way) ReadAt(p []byte, off int64) (int, error) {
	if w.direct < 0 {
		return w.file.ReadAt(p, off)
	}
	n, err := w.moveAll(p, off, w.readSome)
	if err == io.EOF || err == nil {
		return n, err
	}
	return n, w.failed("read", off, err)
}

// WriteAt is File.WriteAt for data. Of blocks it writes in part the rest is read
// and written again: two such writes exclude each other, but nobody else may be
// writing to the block.
func (w *Way) WriteAt(p []byte, off int64) (int, error) {
	if w.direct < 0 {
		return w.file.WriteAt(p, off)
	}
	n, err := w.moveAll(p, off, w.writeSome)
	if err != nil {
		err = w.failed("write", off, err)
	}
	return n, err
}

func (w *Way) failed(op string, off int64, err error) error {
	name := "file"
	if f, ok := w.file.(interface{ Path() string }); ok {
		name = f.Path()
	}
	return fmt.Errorf("direct %s %s at byte %d: %w", op, name, off, err)
}

// bounceBytes is the size of the buffers for what is not aligned itself.
const bounceBytes = 256 << 10

var bounces = sync.Pool{New: func() any { b := alignedBuffer(bounceBytes); return &b }}

// moveAll moves p piece by piece, each by move, which says how much that was.
func (w *Way) moveAll(p []byte, off int64, move transferFunc) (int, error) {
	if err := CheckRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	for done := 0; ; {
		n, err := move(p[done:], off+int64(done))
		done += n
		if err != nil || done == len(p) {
			return done, err
		}
	}
}

// suits says whether direct I/O can move p itself.
func (w *Way) suits(p []byte, off int64) bool {
	return len(p) == 0 || (off|int64(len(p))|int64(uintptr(unsafe.Pointer(&p[0]))))&(w.align-1) == 0
}

// blocks is what to move in a buffer for the beginning of n bytes at off: the
// place and length of whole blocks, and how many bytes of them come before off.
func (w *Way) blocks(n int, off int64) (at, length, before int64) {
	before = off & (w.align - 1)
	length = min(before+int64(n)+w.align-1, bounceBytes) &^ (w.align - 1)
	return off - before, length, before
}

func (w *Way) readSome(p []byte, off int64) (int, error) {
	if w.suits(p, off) {
		return w.readBlocks(p, off)
	}
	buf := bounces.Get().(*[]byte)
	defer bounces.Put(buf)
	at, length, before := w.blocks(len(p), off)
	got, err := w.readBlocks((*buf)[:length], at)
	n := copy(p, (*buf)[min(int(before), got):got])
	if n == len(p) {
		err = nil
	}
	return n, err
}

// readBlocks fills p, which is aligned; io.EOF if the file ends before. It ends
// where a read moves no whole blocks.
func (w *Way) readBlocks(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		n, err := w.pread(p[done:], off+int64(done))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, err
		}
		done += n
		if n == 0 || int64(n)&(w.align-1) != 0 {
			if done < len(p) {
				return done, io.EOF
			}
		}
	}
	return len(p), nil
}

func (w *Way) writeSome(p []byte, off int64) (int, error) {
	if w.suits(p, off) {
		return writeAll(w.pwrite, p, off)
	}
	buf := bounces.Get().(*[]byte)
	defer bounces.Put(buf)
	at, length, before := w.blocks(len(p), off)
	b := (*buf)[:length]
	n := min(len(p), int(length-before))
	if n < len(b) {
		w.part.Lock()
		defer w.part.Unlock()
		got, err := w.readBlocks(b, at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		clear(b[got:])
	}
	copy(b[before:], p)
	if done, err := writeAll(w.pwrite, b, at); err != nil {
		return max(min(done-int(before), n), 0), err
	}
	return n, nil
}

// directFile is a file that does its direct I/O itself, not by a descriptor: the
// one of storagetest.
type directFile interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteDirect(p []byte, off int64) (int, error)
}

func (w *Way) pread(p []byte, off int64) (int, error) {
	if r, ok := w.file.(directFile); ok {
		n, err := r.ReadAt(p, off)
		if err == io.EOF {
			err = nil
		}
		return n, err
	}
	return unix.Pread(w.direct, p, off)
}

func (w *Way) pwrite(p []byte, off int64) (int, error) {
	if r, ok := w.file.(directFile); ok {
		return r.WriteDirect(p, off)
	}
	return unix.Pwrite(w.direct, p, off)
}
