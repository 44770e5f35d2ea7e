// SPDX-License-Identifier: Apache-2.0

package storagetest

import "golang.org/x/sys/unix"

// room is space that runs out: pages of a file that take a new block when they
// are written for the first time. A nil room has space for all.
type room struct {
	left int            // blocks
	own  map[int64]bool // pages that have one, by number
	late bool           // the write succeeds, and the sync after it fails
	lost bool           // a write has found no block
}

// Room leaves space for so many blocks of 4096 bytes. Each page takes one when it
// is written for the first time after the call, also one that holds data: its old
// block belongs to a copy that shares it, or to a snapshot of the storage. A write
// for which there is none moves what fits and fails with ENOSPC or, with late,
// succeeds, and the next sync fails with EIO: the file system has the space but the
// storage below it has not. A negative number ends it.
func (r *Recorder) Room(blocks int, late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room = nil; blocks >= 0 {
		r.room = &room{left: blocks, own: map[int64]bool{}, late: late}
	}
}

// take finds blocks for n bytes from off and returns how many bytes can be moved.
func (m *room) take(off, n int64) int64 {
	if m == nil {
		return n
	}
	for at := off; at < off+n; at += memPage - at%memPage {
		switch page := at / memPage; {
		case m.own[page]:
		case m.left > 0:
			m.own[page] = true
			m.left--
		case m.late:
			m.lost = true
		default:
			return at - off
		}
	}
	return n
}

// give takes back the blocks of pages within n bytes from off.
func (m *room) give(off, n int64) {
	if m == nil {
		return
	}
	for page := (off + memPage - 1) / memPage; (page+1)*memPage <= off+n; page++ {
		if m.own[page] {
			delete(m.own, page)
			m.left++
		}
	}
}

// synced is the result of a sync.
func (m *room) synced() error {
	if m == nil || !m.lost {
		return nil
	}
	m.lost = false
	return unix.EIO
}
