// SPDX-License-Identifier: Apache-2.0

package engine

// zeroCopy starts the file I/O of s without a copy: where the driver has
// registered the request's pages, and all of it is one piece of the file that
// direct I/O can reach. It reports whether it has; else the data has to be copied.
func (q *Queue) zeroCopy(s *slot) bool {
	n := s.desc.Bytes()
	if !q.disk.Direct() || s.writtenBefore > 0 || !q.lane.Registered(s.tag) {
		return false
	}
	q.counters.lookups++
	e := q.disk.img.Lookup(s.off, n)
	l := &q.disk.layers[e.Layer]
	if !l.direct || e.Len < n || !s.operation.data.may(e.Kind) || uintptr(e.Host|n)&l.mask != 0 {
		return false
	}
	s.operation.data.pages(q, s, l.fd, uint32(n), e.Host)
	return true
}

func (q *Queue) readPages(s *slot, fd int, n uint32, off uint64) {
	q.lane.ReadFilePages(s.tag, uint8(stepPages), fd, n, off)
}

func (q *Queue) writePages(s *slot, fd int, n uint32, off uint64) {
	q.lane.WriteFilePages(s.tag, uint8(stepPages), fd, n, off)
}

// pagesDone ends what zeroCopy began. Whatever went wrong, the copying way tries
// all of it again, and finds out whether it was the file or the pages (their
// place in memory may not suit it).
func (q *Queue) pagesDone(s *slot, res int32) {
	if res >= 0 && uint64(res) == s.desc.Bytes() {
		q.end(s)
		return
	}
	s.operation.data.copy(q, s)
}
