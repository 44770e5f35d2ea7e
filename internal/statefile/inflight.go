// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// InFlight is a write or append that a daemon had begun and that the kernel may
// not have heard the answer of. Sizes are bytes of the disk.
type InFlight struct {
	Kind       zoned.Operation
	Zone       uint32
	Start      uint64 // an append's: the address reserved for it
	Length     uint64
	Committing bool // the answer may have reached the kernel
}

// A record's word: state in bits 0-1, kind in 2-7, sectors in 8-31, zone in
// 32-63.
func (f InFlight) word(s recordState) uint64 {
	return uint64(s) | uint64(f.Kind)<<2 | f.Length/ublk.SectorBytes<<8 | uint64(f.Zone)<<32
}

// flight decodes a record; false if it is free.
func (r *tagRecord) flight() (InFlight, bool) {
	w := r.word.Load()
	return InFlight{
		Kind: zoned.Operation(w >> 2 & 0x3f), Zone: uint32(w >> 32),
		Start: r.start.Load() * ublk.SectorBytes, Length: w >> 8 & 0xffffff * ublk.SectorBytes,
		Committing: recordState(w&3) == recordCommitting,
	}, recordState(w&3) != recordFree
}

// publish writes f; the word comes last and frees the old record first, so
// that no mixture of two can be read.
func (r *tagRecord) publish(f InFlight, s recordState) {
	r.word.Store(uint64(recordFree))
	r.start.Store(f.Start / ublk.SectorBytes)
	r.word.Store(f.word(s))
}

func (s *File) record(queue int, tag uint16) *tagRecord { return &s.records[queue*s.depth+int(tag)] }

// Begin records that a write or append is in flight on a tag.
func (s *File) Begin(queue int, tag uint16, f InFlight) {
	if s != nil {
		s.record(queue, tag).publish(f, recordInFlight)
	}
}

// Commit records that the answer of a tag is on its way to the kernel, which
// may know it from now on.
func (s *File) Commit(queue int, tag uint16) {
	if s == nil {
		return
	}
	r := s.record(queue, tag)
	if w := r.word.Load(); recordState(w&3) == recordInFlight {
		r.word.Store(w&^3 | uint64(recordCommitting))
	}
}

// Free records that the kernel has heard the answer of a tag.
func (s *File) Free(queue int, tag uint16) {
	if s == nil {
		return
	}
	if r := s.record(queue, tag); r.word.Load() != 0 {
		r.word.Store(uint64(recordFree))
	}
}

// InFlight returns what a tag has in flight; false if that is nothing.
func (s *File) InFlight(queue int, tag uint16) (InFlight, bool) {
	return s.record(queue, tag).flight()
}

// CarryOver moves what a dead daemon had in flight to the carried records and
// returns them all with their places. Dying in the middle leaves a record in
// both places, which does no harm. When there is no room the oldest that were
// committing give way: the kernel has long sent again what it wanted to. What is
// not of a sequential zone is dropped: it needs no memory.
func (s *File) CarryOver() []Carried {
	free := 0
	for i := range s.records {
		f, ok := s.records[i].flight()
		if !ok || s.geo.IsConventional(f.Zone) {
			s.records[i].word.Store(uint64(recordFree))
			continue
		}
		for ; free < len(s.carried); free++ {
			if old, taken := s.carried[free].flight(); !taken || old.Committing {
				break
			}
		}
		if free < len(s.carried) {
			state := recordInFlight
			if f.Committing {
				state = recordCommitting
			}
			s.carried[free].publish(f, state)
			free++
		}
		s.records[i].word.Store(uint64(recordFree))
	}
	var list []Carried
	for i := range s.carried {
		switch f, ok := s.carried[i].flight(); {
		case ok && s.geo.IsConventional(f.Zone):
			s.carried[i].word.Store(uint64(recordFree))
		case ok:
			list = append(list, Carried{f, &s.carried[i]})
		}
	}
	return list
}

// Carried is a flight of a dead daemon and where it is recorded.
type Carried struct {
	InFlight
	at *tagRecord
}

// Forget frees the record.
func (c Carried) Forget() { c.at.word.Store(uint64(recordFree)) }

// RepeatedBy says that a request of n bytes at off may be f again.
func (f InFlight) RepeatedBy(off, n uint64) bool {
	if f.Kind == zoned.OpWrite {
		return f.Start == off && f.Length <= n
	}
	return f.Length == n
}

// Acknowledged says that data of f lies below the write pointer of its zone. A
// write may be there in part: what was merged into it came later.
func (f InFlight) Acknowledged(wp uint64) bool {
	if f.Kind == zoned.OpWrite {
		return f.Start < wp
	}
	return f.Start+f.Length <= wp
}
