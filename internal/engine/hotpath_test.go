// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// mutedLane completes file I/O at once, without doing any: what is left is the
// path through rules, map and bookkeeping.
type mutedLane struct {
	q     *Queue
	desc  ublk.IODesc
	io    int
	done  bool
	where uint64
}

func (l *mutedLane) Desc(uint16) ublk.IODesc { return l.desc }
func (l *mutedLane) Complete(_ uint16, res int32) {
	if res < 0 {
		panic(unix.Errno(-res))
	}
	l.done = true
	l.q.submitting()
}
func (l *mutedLane) CompleteAppend(_ uint16, res int32, sector uint64) {
	l.where = sector
	l.Complete(0, res)
}
func (l *mutedLane) ReadFile(_ uint16, _ uint8, _ int, b []byte, _ uint64)  { l.io = len(b) }
func (l *mutedLane) WriteFile(_ uint16, _ uint8, _ int, b []byte, _ uint64) { l.io = len(b) }
func (l *mutedLane) WriteFromRequest(_ uint16, _, _ uint8, _ uint32, b []byte, _ int, _ uint64) {
	l.io = len(b)
}
func (l *mutedLane) CompleteRead(_ uint16, _ uint8, b []byte) { l.Complete(0, int32(len(b))) }
func (l *mutedLane) CopyFromRequestNow(_ uint16, _ uint32, b []byte) (int, unix.Errno) {
	return len(b), 0
}
func (l *mutedLane) CopyToRequestNow(_ uint16, _ uint32, b []byte) (int, unix.Errno) {
	return len(b), 0
}
func (l *mutedLane) Wake()                                             {}
func (l *mutedLane) Registered(uint16) bool                            { return false }
func (l *mutedLane) ReadFilePages(uint16, uint8, int, uint32, uint64)  {}
func (l *mutedLane) WriteFilePages(uint16, uint8, int, uint32, uint64) {}

// do sends one request through, which must not need a worker.
func (l *mutedLane) do(d ublk.IODesc) {
	l.desc, l.done, l.io = d, false, 0
	l.q.Request(nil, 0)
	if l.io > 0 {
		l.q.Done(nil, 0, uint8(stepPiece), int32(l.io))
	}
	if !l.done {
		panic("not answered on the queue's thread")
	}
}

// newBench is a disk of one sequential zone that is mapped and empty.
func newBench(b testing.TB) *mutedLane {
	path := newImage(b, qcow2.CreateOptions{Size: 2 << 30, Zone: &qcow2.ZoneOptions{Size: 1 << 30, Conventional: 1}})
	s := newSim(b, path, 1, 4)
	b.Cleanup(s.close)
	for off := uint64(1 << 30); off < 2<<30; off += 32 << 20 {
		if err := s.disk.img.Ensure(off, 32<<20, 32<<20); err != nil {
			b.Fatal(err)
		}
	}
	s.disk.ahead.extend(1, 2<<30)
	q, err := NewQueue(s.disk, 0, 4, simMaxIO)
	if err != nil {
		b.Fatal(err)
	}
	l := &mutedLane{q: q}
	q.lane = l
	return l
}

const benchZone = 1 << 30 / 512 // first sector

// fill runs f with a zone that it may append to n times 4 KiB, in rounds.
func fill(b *testing.B, desc func(i uint64) ublk.IODesc) { fillOn(b, false, desc) }

func fillOn(b *testing.B, trace bool, desc func(i uint64) ublk.IODesc) {
	l := newBench(b)
	if trace {
		drained(b, l.q.disk)
	}
	z := l.q.disk.zones
	const most = 1<<30/4096 - 1
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		k := uint64(i) % most
		if i > 0 && k == 0 {
			b.StopTimer()
			l.q.slots[1].op.Outcome = 0
			if _, err := z.BeginReset(&l.q.slots[1].op, 1<<30); err != nil {
				b.Fatal(err)
			}
			z.EndReset(&l.q.slots[1].op, nil)
			b.StartTimer()
		}
		l.do(desc(k))
	}
}

func BenchmarkMappedWrite(b *testing.B) {
	fill(b, func(i uint64) ublk.IODesc { return ublk.NewIODesc(ublk.OpWrite, 0, benchZone+i*8, 8) })
}

func BenchmarkAppend(b *testing.B) {
	fill(b, func(uint64) ublk.IODesc { return ublk.NewIODesc(ublk.OpZoneAppend, 0, benchZone, 8) })
}

func BenchmarkMappedRead(b *testing.B) {
	l := newBench(b)
	for i := range uint64(1024) {
		l.do(ublk.NewIODesc(ublk.OpWrite, 0, benchZone+i*8, 8))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		l.do(ublk.NewIODesc(ublk.OpRead, 0, benchZone+uint64(i*7919)%1024*8, 8))
	}
}

func BenchmarkReadOfNothing(b *testing.B) {
	l := newBench(b)
	b.ReportAllocs()
	for i := range b.N {
		l.do(ublk.NewIODesc(ublk.OpRead, 0, benchZone+uint64(i*7919)%1024*8, 8))
	}
}

// TestHotPathAllocatesNothing holds the benchmarks' promise in every run.
func TestHotPathAllocatesNothing(t *testing.T) { allocatesNothing(t, newBench(t)) }

// TestTracedHotPathAllocatesNothing: nor when somebody traces, whether the ring has
// room or not.
func TestTracedHotPathAllocatesNothing(t *testing.T) {
	l := newBench(t)
	traced(t, l.q.disk)
	allocatesNothing(t, l)
}

// traced makes a disk be traced by somebody who reads nothing.
func traced(t testing.TB, d *Disk) {
	t.Helper()
	if _, err := d.Trace("disk", 256); err != nil {
		t.Fatal(err)
	}
}

// drained makes a disk be traced by somebody who reads it all.
func drained(b *testing.B, d *Disk) {
	b.Helper()
	stream, err := d.Trace("disk", 1<<16)
	if err != nil {
		b.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- stream(io.Discard, stop) }()
	b.Cleanup(func() {
		close(stop)
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
}

func BenchmarkTracedMappedWrite(b *testing.B) {
	fillOn(b, true, func(i uint64) ublk.IODesc { return ublk.NewIODesc(ublk.OpWrite, 0, benchZone+i*8, 8) })
}

func allocatesNothing(t *testing.T, l *mutedLane) {
	t.Helper()
	next := uint64(0)
	for name, desc := range map[string]func() ublk.IODesc{
		"write":  func() ublk.IODesc { next += 8; return ublk.NewIODesc(ublk.OpWrite, 0, benchZone+next-8, 8) },
		"append": func() ublk.IODesc { next += 8; return ublk.NewIODesc(ublk.OpZoneAppend, 0, benchZone, 8) },
		"read":   func() ublk.IODesc { return ublk.NewIODesc(ublk.OpRead, 0, benchZone, 8) },
		"zeros":  func() ublk.IODesc { return ublk.NewIODesc(ublk.OpRead, 0, 2*benchZone-8, 8) },
	} {
		l.do(desc())
		if n := testing.AllocsPerRun(200, func() { l.do(desc()) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
