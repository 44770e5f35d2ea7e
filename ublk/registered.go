// SPDX-License-Identifier: Apache-2.0

package ublk

// autoBufFallback is UBLK_AUTO_BUF_REG_FALLBACK: a request whose pages can't be registered comes
// all the same, marked.
const autoBufFallback = 1

// Registered says that the pages of the request on tag are buffer number tag of the queue's ring,
// so that file I/O can go to or from them without a copy. It needs FeatureAutoBufReg; single
// requests may miss it.
func (q *Queue) Registered(tag uint16) bool {
	if !q.auto {
		return false
	}
	d := q.desc(tag)
	return (d.Op() == OpRead || d.Op().TakesData()) && d.Flags()&FlagNeedRegBuf == 0
}

// ReadFilePages queues a pread of the first n bytes of the backing file at off into the pages of
// the READ on tag, which must be Registered. A short result leaves the rest of the pages as they
// were: what the kernel had in them must not go out, so fill it before the answer.
func (q *Queue) ReadFilePages(tag uint16, step uint8, fd int, n uint32, off uint64) {
	s := q.SQE(tag, step)
	s.ReadRegistered(fd, tag, 0, n, off)
	q.ring.UseFixedFile(s)
}

// WriteFilePages queues a pwrite of the first n bytes of the WRITE or ZONE_APPEND on tag, which
// must be Registered, to the backing file at off.
func (q *Queue) WriteFilePages(tag uint16, step uint8, fd int, n uint32, off uint64) {
	s := q.SQE(tag, step)
	s.WriteRegistered(fd, tag, 0, n, off)
	q.ring.UseFixedFile(s)
}
