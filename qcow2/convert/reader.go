// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// reader is the disk that is exported.
type reader struct {
	*qcow2.ZonedView
	unreadable func(off, n uint64, err error) // nil: an error is one
	lost       uint64                         // up to here what can't be read was told, bytes
}

// NextStored finds what is stored; where that can't be told, anything may be.
func (r *reader) NextStored(off uint64) (uint64, error) {
	next, err := r.ZonedView.NextStored(max(off, r.lost))
	if r.unreadable != nil {
		err = nil
	}
	return next, err
}

// finest is how much of a disk is given up at least where it can't be read, in bytes.
const finest = 512

// ReadByRule reads; what can't be read becomes zeros if that is wanted.
func (r *reader) ReadByRule(p []byte, off uint64) error {
	for len(p) > 0 {
		n := uint64(0)
		if off < r.lost {
			n = min(r.lost-off, uint64(len(p)))
			clear(p[:n])
		} else {
			err := r.ZonedView.ReadByRule(p, off)
			if err == nil || r.unreadable == nil {
				return err
			}
			if gap := r.gap(off, uint64(len(p))); gap > 0 {
				r.unreadable(off, gap, err)
				r.lost = off + gap
				continue
			}
			n = format.RoundUp(uint64(len(p))/2, finest)
			if err := r.ReadByRule(p[:n], off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+n
	}
	return nil
}

// gap is how much from off on can't be read for one reason, whatever lies there: all that a
// table maps which makes no sense or can't be read, a cluster. 0: of n bytes that could not
// be read, those at off perhaps can.
func (r *reader) gap(off, n uint64) uint64 {
	x, err := r.LookupResolved(off, r.VirtualSize()-off)
	switch {
	case err != nil || x.Kind == qcow2.Corrupt:
		return x.Len
	case n <= finest || x.Kind == qcow2.Compressed && n <= x.Len:
		return n
	}
	return 0
}
