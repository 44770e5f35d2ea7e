// SPDX-License-Identifier: Apache-2.0

package convert

import "zqublkd/qcow2"

// reader is the disk that is exported.
type reader struct {
	*qcow2.ZonedView
	unreadable func(off, n uint64, err error) // nil: an error is one
}

// NextStored finds what is stored; where that can't be told, anything may be.
func (r reader) NextStored(off uint64) (uint64, error) {
	next, err := r.ZonedView.NextStored(off)
	if err != nil && r.unreadable != nil {
		return off, nil
	}
	return next, err
}

// finest is how much of a disk is given up at least where it can't be read, in bytes.
const finest = 512

// ReadByRule reads; what can't be read becomes zeros if that is wanted.
func (r reader) ReadByRule(p []byte, off uint64) error {
	err := r.ZonedView.ReadByRule(p, off)
	if err == nil || r.unreadable == nil {
		return err
	}
	if len(p) <= finest {
		clear(p)
		r.unreadable(off, uint64(len(p)), err)
		return nil
	}
	half := (len(p)/2 + finest - 1) / finest * finest
	if err := r.ReadByRule(p[:half], off); err != nil {
		return err
	}
	return r.ReadByRule(p[half:], off+uint64(half))
}
