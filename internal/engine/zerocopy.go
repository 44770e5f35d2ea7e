package engine

import (
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// The ways data takes between the image file and a request: the number of the
// step that Done gets back.
const (
	byCopy   uint8 = iota // through a buffer of ours
	byPages               // straight to or from the request's pages
	byFetch               // not yet: the copy into our buffer, before the write, has failed
	byAnswer              // not yet: the copy out of our buffer, before the answer, has failed
)

// pass starts the file I/O of s without a copy: where the driver has
// registered the request's pages, and all of it is one piece of the file that
// direct I/O can reach. False: it has to be copied.
func (q *Queue) pass(s *slot) bool {
	n := s.desc.Bytes()
	if !q.disk.Direct() || s.writtenBefore > 0 || !q.lane.Registered(s.tag) {
		return false
	}
	read := s.desc.Op() == ublk.OpRead
	e := q.disk.img.Lookup(s.off, n)
	l := &q.disk.layers[e.Layer]
	if !l.direct || e.Len < n || e.Kind != qcow2.Data && !(read && e.Kind == qcow2.Shared) || uintptr(e.Host|n)&l.mask != 0 {
		return false
	}
	if read {
		q.lane.ReadFilePages(s.tag, byPages, l.fd, uint32(n), e.Host)
	} else {
		q.lane.WriteFilePages(s.tag, byPages, l.fd, uint32(n), e.Host)
	}
	return true
}

// passed ends what pass began. Whatever went wrong, the copying way tries all
// of it again, and finds out whether it was the file or the pages (their
// place in memory may not suit it).
func (q *Queue) passed(s *slot, res int32) {
	switch n := s.desc.Bytes(); {
	case res >= 0 && uint64(res) == n:
		q.end(s)
	case s.desc.Op() == ublk.OpRead:
		s.buf = q.bufs.take(s.tag, n)
		q.transfer(s)
	default:
		q.fetchData(s)
	}
}
