// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/trace"
)

// ErrTraced is a disk that somebody traces already.
var ErrTraced = errors.New("is being traced already: end that trace first")

// Trace begins a trace with room for so many records that nobody has read yet.
// stream writes it, as trace.Tracer.Stream does, and has to be called.
func (d *Disk) Trace(name string, records int) (stream func(w io.Writer, stop <-chan struct{}) error, err error) {
	t := trace.New(d.geo.Zones(), records)
	if !d.tracer.CompareAndSwap(nil, t) {
		return nil, ErrTraced
	}
	d.zones.CountTurns(&t.Turns)
	h := trace.Header{Geometry: d.geo, Limits: d.zones.Limits(), LogicalBlock: uint32(d.img.LogicalBlockSize()),
		Zoned: d.img.Zoned() != nil, Started: time.Now().UnixNano(), Name: name}
	off := sync.OnceFunc(func() { // once: the next trace may have begun
		d.zones.CountTurns(nil)
		d.tracer.Store(nil)
	})
	return func(w io.Writer, stop <-chan struct{}) error {
		return t.Stream(w, h, d.zones.Visit, stop, off)
	}, nil
}

// trace tells t how the request of s is answered.
func (q *Queue) trace(t *trace.Tracer, s *slot, errno unix.Errno) {
	off := s.desc.Offset()
	r := trace.Record{Op: s.operation.trace, Errno: uint16(errno), FUA: s.operation.fua && s.desc.FUA(),
		Queue: uint16(q.id), Turn: s.op.Turn, Start: off, Zone: q.disk.geo.ZoneOf(min(off, q.disk.geo.Size-1))}
	switch r.Op {
	case trace.Append:
		r.Place, r.Length = s.off, s.desc.Bytes()
	case trace.Read, trace.Write, trace.Discard, trace.WriteZeroes:
		r.Length = s.desc.Bytes()
	}
	t.Answered(&r, s.came)
}
