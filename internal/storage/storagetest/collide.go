// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

// PastCache stands for the descriptor of a Recorder that leads past its page
// cache. It is none of the system's.
const PastCache = 1 << 30

// past is a way past the page cache, and what collides there.
type past struct {
	align  int
	silent bool
	flying map[int64]int  // direct writes under way, by page
	soiled map[int64]bool // pages written through the cache meanwhile
	failed bool           // the next sync tells of a collision
}

// PassCache gives the file a descriptor for direct I/O, PastCache, in blocks of
// align bytes. As in a kernel, a page that is written through the page cache while
// a direct write to it is under way stays in memory as it is there, without what
// the direct write has moved, and is written back over it. A regular file tells so
// by the next sync, which fails; a block device says nothing (silent).
func (r *Recorder) PassCache(align int, silent bool) {
	r.past = &past{align: align, silent: silent, flying: map[int64]int{}, soiled: map[int64]bool{}}
}

// WriteDirect is a write by PastCache.
func (r *Recorder) WriteDirect(p []byte, off int64) (int, error) {
	if err := storage.CheckRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	pages := pagesOf(off, int64(len(p)))
	r.mu.Lock()
	for _, page := range pages {
		r.past.flying[page]++
	}
	r.mu.Unlock()
	r.paused(OpDirect)
	var older []Op
	r.mu.Lock()
	for _, page := range pages {
		if r.past.flying[page]--; r.past.soiled[page] {
			b := make([]byte, memPage)
			n, _ := r.file.ReadAt(b, page*memPage)
			older = append(older, Op{Kind: OpWrite, Off: page * memPage, Data: b[:n]})
		}
		if r.past.flying[page] == 0 {
			delete(r.past.flying, page)
			delete(r.past.soiled, page)
		}
	}
	r.past.failed = r.past.failed || len(older) > 0 && !r.past.silent
	r.mu.Unlock()
	n, err := r.writeAll(p, off)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range older {
		op.apply(r.file)
		r.ops = append(r.ops, op)
	}
	return n, err
}

// soil notes a write through the page cache.
func (p *past) soil(off, n int64) {
	if p == nil {
		return
	}
	for _, page := range pagesOf(off, n) {
		if p.flying[page] > 0 {
			p.soiled[page] = true
		}
	}
}

// synced is the result of a sync.
func (p *past) synced() error {
	if p == nil || !p.failed {
		return nil
	}
	p.failed = false
	return unix.EIO
}

func pagesOf(off, n int64) []int64 {
	var list []int64
	for page := off / memPage; page*memPage < off+n; page++ {
		list = append(list, page)
	}
	return list
}
