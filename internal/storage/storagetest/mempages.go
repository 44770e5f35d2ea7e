// SPDX-License-Identifier: Apache-2.0

package storagetest

import "sync/atomic"

const (
	memPage  = 4096
	memChunk = 512 * memPage // bytes of a chunk
)

// page is a piece of a Mem. Once shared with a clone it never changes again.
type page struct {
	shared atomic.Bool
	data   [memPage]byte
}

// chunk is a row of pages; absent ones read as zeros. It is shared as a page is.
type chunk struct {
	shared atomic.Bool
	pages  [memChunk / memPage]*page
}

// pages is sparse memory that is cheap to copy: copies share what they have in
// common until one of them changes it.
type pages map[int64]*chunk // by chunk number; absent reads as zeros

func (p pages) clone() pages {
	c := make(pages, len(p))
	for n, ch := range p {
		ch.shared.Store(true)
		c[n] = ch
	}
	return c
}

// at is the page at byte off, nil if it reads as zeros.
func (p pages) at(off int64) *page {
	if ch := p[off/memChunk]; ch != nil {
		return ch.pages[off%memChunk/memPage]
	}
	return nil
}

// own is the chunk at byte off, ours alone.
func (p pages) own(off int64) *chunk {
	ch := p[off/memChunk]
	if ch == nil || ch.shared.Load() {
		fresh := new(chunk)
		if ch != nil {
			fresh.pages = ch.pages
			ch.share()
		}
		ch = fresh
		p[off/memChunk] = ch
	}
	return ch
}

// share marks the pages as having more than one owner.
func (ch *chunk) share() {
	for _, pg := range ch.pages {
		if pg != nil && !pg.shared.Load() {
			pg.shared.Store(true)
		}
	}
}

// writable is the page at byte off, ours alone.
func (p pages) writable(off int64) *page {
	slot := &p.own(off).pages[off%memChunk/memPage]
	switch {
	case *slot == nil:
		*slot = new(page)
	case (*slot).shared.Load():
		*slot = &page{data: (*slot).data}
	}
	return *slot
}

// zero clears [off,end), visiting only chunks that exist.
func (p pages) zero(off, end int64) {
	for n := range p {
		first, last := max(off, n*memChunk), min(end, (n+1)*memChunk)
		for first < last {
			step := min(memPage-first%memPage, last-first)
			p.zeroIn(first, step)
			first += step
		}
	}
}

// zeroIn clears n bytes within one page.
func (p pages) zeroIn(off, n int64) {
	switch {
	case p.at(off) == nil:
	case n == memPage:
		p.own(off).pages[off%memChunk/memPage] = nil
	default:
		clear(p.writable(off).data[off%memPage:][:n])
	}
}

// next is the first byte at or after off in a page that exists, -1 for none.
func (p pages) next(off int64) int64 {
	found := int64(-1)
	for n, ch := range p {
		if at := ch.next(max(off-n*memChunk, 0)); at >= 0 && (found < 0 || n*memChunk+at < found) {
			found = n*memChunk + at
		}
	}
	return found
}

// next is the same within a chunk.
func (ch *chunk) next(off int64) int64 {
	for k := off / memPage; k < int64(len(ch.pages)); k++ {
		if ch.pages[k] != nil {
			return max(k*memPage, off)
		}
	}
	return -1
}
