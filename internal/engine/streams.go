// SPDX-License-Identifier: Apache-2.0

package engine

import "sync"

const (
	aheadStream  = 1 << 20 // bytes taken at once ahead of writes that follow each other
	aheadFactor  = 4       // by which that grows, from one request's worth on
	knownStreams = 16      // that are told apart
)

// streams tells writes that go on where another has ended from those that come in
// any order, where space may be written in any: what is taken ahead of the former
// is used, of the latter it would be lost.
type streams struct {
	mu    sync.Mutex
	known [knownStreams]stream // most recent first
}

// stream is where a row of writes took space last: bytes of the disk.
type stream struct{ from, end, ahead uint64 }

// ahead is how many bytes to take for what follows n bytes at off, in clusters of
// the given size.
func (l *streams) ahead(off, n, cluster uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, end := off&^(cluster-1), (off+n+cluster-1)&^(cluster-1)
	for k := range l.known {
		x := l.known[k]
		switch {
		case off < x.from || off > x.end || x.end == 0:
			continue
		case end <= x.end: // it is being taken
			return 0
		}
		ahead := min(max(aheadFactor*x.ahead, end-from), aheadStream)
		copy(l.known[1:k+1], l.known[:k])
		l.known[0] = stream{from, end + ahead, ahead}
		return ahead
	}
	copy(l.known[1:], l.known[:])
	l.known[0] = stream{from, end, 0}
	return 0
}
