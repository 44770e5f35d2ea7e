// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"syscall"
	"unsafe"

	"zqublkd/uring"
)

// chainRoom is kept free in the submission queue when a chain begins: a chain split over two
// submissions is none. LinkNext says it to handlers.
const chainRoom = 16

// SQE is a new submission for tag whose completion is handed to Handler.Done with step. The caller
// fills in one operation; buffers must be uring.Mem and stay untouched until the completion.
// ReadFile and the like are made of it.
func (q *Queue) SQE(tag uint16, step uint8) *uring.SQE {
	if q.tags[tag].phase != atServer {
		panic(misuse("an SQE for a tag that holds no request"))
	}
	s := q.next(tag)
	s.UserData = userData(kindStep, tag, step)
	q.last, q.owner = s, int32(tag)
	return s
}

// next is the next free submission, one that continues tag's open chain if there is one.
func (q *Queue) next(tag uint16) *uring.SQE {
	q.checkThread()
	if q.chain == none {
		if q.ring.Room() < chainRoom {
			q.reserve()
		}
	} else if q.chain != int32(tag) {
		panic(misuse("a chain of one tag continued with another"))
	}
	s := q.ring.Next()
	if s == nil {
		panic(misuse("a chain longer than 16, or a ring that takes no submissions"))
	}
	if q.chain == none {
		q.tags[tag].flying++
	}
	q.chain = none
	return s
}

// reserve makes room for a whole chain, by submitting what is queued if need be.
func (q *Queue) reserve() {
	for range 3 {
		if q.ring.Room() >= chainRoom {
			return
		}
		q.last, q.owner = nil, none
		q.submitting()
		q.ring.EnterRaw(0)
	}
}

// LinkNext makes the next SQE of the same tag, or its answer, wait for the last one queued to
// succeed in full. The chain then completes once: Done gets its last step, or the first that failed
// (the rest are not run). A chain that ends in an answer completes by the next request, or by Done
// of the step that failed; then the tag has to be answered again. A chain has at most 16 SQEs, the
// answer included.
func (q *Queue) LinkNext() {
	if q.last == nil || q.chain != none {
		panic(misuse("LinkNext without an SQE just queued"))
	}
	q.last.Flags |= uring.IOLink | uring.CQESkipSuccess
	q.chain = q.owner
}

// settle ends what a handler call may have left open: a link to nothing would catch somebody else's
// SQE.
func (q *Queue) settle() {
	if q.chain != none {
		q.last.Flags &^= uring.IOLink | uring.CQESkipSuccess
		q.chain = none
	}
	q.last, q.owner = nil, none
}

// ReadFile queues a pread of the backing file fd at off (bytes) into buf.
func (q *Queue) ReadFile(tag uint16, step uint8, fd int, buf []byte, off uint64) {
	q.ring.PrepareRead(q.SQE(tag, step), fd, buf, off)
}

// WriteFile queues a pwrite of buf to the backing file fd at off (bytes).
func (q *Queue) WriteFile(tag uint16, step uint8, fd int, buf []byte, off uint64) {
	q.ring.PrepareWrite(q.SQE(tag, step), fd, buf, off)
}

// SyncFile queues an fdatasync of fd. The kernel runs it on a worker thread.
func (q *Queue) SyncFile(tag uint16, step uint8, fd int) { q.SQE(tag, step).Datasync(fd) }

// CopyFromRequest queues the copy of a WRITE's or ZONE_APPEND's data, from byte off of the request
// on, into buf.
func (q *Queue) CopyFromRequest(tag uint16, step uint8, off uint32, buf []byte) {
	s := q.SQE(tag, step)
	s.Read(q.dev.fd, buf, copyPos(q.id, tag, off)) // the driver takes no registered memory
	q.ring.UseFixedFile(s)
}

// CopyToRequest queues the copy of buf into a READ's data, from byte off of the request on.
func (q *Queue) CopyToRequest(tag uint16, step uint8, off uint32, buf []byte) {
	s := q.SQE(tag, step)
	s.Write(q.dev.fd, buf, copyPos(q.id, tag, off))
	q.ring.UseFixedFile(s)
}

// WriteFromRequest queues, linked, the copy of a WRITE's or ZONE_APPEND's data from byte at of the
// request on into buf, and the pwrite of buf to the backing file fd at off (bytes). Done gets step
// write, or step fetch if the copy failed or was short.
func (q *Queue) WriteFromRequest(tag uint16, fetch, write uint8, at uint32, buf []byte, fd int, off uint64) {
	q.CopyFromRequest(tag, fetch, at, buf)
	q.LinkNext()
	q.WriteFile(tag, write, fd, buf, off)
}

// CompleteRead copies buf, which has all of its bytes, into the READ on tag and answers it, linked.
// If the copy fails, Done gets step, and the request has to be answered again.
func (q *Queue) CompleteRead(tag uint16, step uint8, buf []byte) {
	q.CopyToRequest(tag, step, 0, buf)
	q.LinkNext()
	q.CompleteOK(tag)
}

// Complete answers the request on tag: -errno, or anything >= 0 for success. READ and WRITE succeed
// in full or not at all, so res must be their length in bytes; a ZONE_APPEND that succeeded is
// answered by CompleteAppend.
func (q *Queue) Complete(tag uint16, res int32) {
	if res >= 0 && q.desc(tag).Op() == OpZoneAppend {
		panic(misuse("a successful ZONE_APPEND answered without its sector"))
	}
	q.commit(tag, res, 0)
}

// CompleteOK answers success in full, for anything but a ZONE_APPEND.
func (q *Queue) CompleteOK(tag uint16) { q.Complete(tag, int32(q.desc(tag).Bytes())) }

// Fail answers an error. The client sees it if the block layer has a status for it (EIO, EINVAL,
// ENOSPC, EOPNOTSUPP, ETIMEDOUT; of zones ETOOMANYREFS: too many are open, EOVERFLOW: too many are
// active), else EIO. EAGAIN and EBUSY are no plea to try again: the client gets them as errors.
func (q *Queue) Fail(tag uint16, e syscall.Errno) { q.commit(tag, -int32(e), 0) }

// CompleteAppend answers a ZONE_APPEND whose data went to sector (512 bytes, absolute), or fails it
// with res = -errno.
func (q *Queue) CompleteAppend(tag uint16, res int32, sector uint64) {
	if q.desc(tag).Op() != OpZoneAppend {
		panic(misuse("CompleteAppend for a request that is none"))
	}
	if res < 0 {
		sector = 0
	}
	q.commit(tag, res, sector)
}

// commit queues the answer, alone or at the end of tag's open chain.
func (q *Queue) commit(t uint16, res int32, sector uint64) {
	s := &q.tags[t]
	if s.doomed {
		return
	}
	if s.phase != atServer {
		panic(misuse("an answer for a tag that holds no request"))
	}
	if s.flying > 1 || s.flying == 1 && q.chain != int32(t) {
		panic(misuse("an answer while something of the request is in flight"))
	}
	res, ok := result(q.desc(t), res, q.dev.info.MaxIOBytes)
	if !ok {
		panic(misuse("success answered for part of a request"))
	}
	q.command(t, ioCommitAndFetch, res, sector)
	s.phase, s.flying = atKernel, 0
	q.held--
}

// command queues a FETCH or a COMMIT.
func (q *Queue) command(t uint16, op uint32, res int32, sector uint64) {
	s := q.next(t)
	q.last, q.owner = nil, none
	s.UserData = userData(kindCommand, t, 0)
	if fake := q.dev.fake; fake != nil {
		fake.Command(s, TagCommand{Queue: q.id, Tag: t, Fetch: op == ioFetch, Result: res, Sector: sector})
		return
	}
	s.Command(q.dev.fd, op)
	q.ring.UseFixedFile(s)
	if q.auto {
		s.Addr = uint64(t) | autoBufFallback<<16 // struct ublk_auto_buf_reg
	}
	*(*ioCmd)(unsafe.Pointer(s.Payload())) = ioCmd{queue: q.id, tag: t, result: res, addr: sector}
}

// misuse is what a handler that breaks the queue's rules panics with.
type misuse string

// Error is the rule broken.
func (m misuse) Error() string { return "ublk handler: " + string(m) }
