// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
)

// OpKind is what an operation does to a file.
type OpKind uint8

const (
	OpAny OpKind = iota // matches every kind in a Fault, reads included
	OpRead
	OpWrite
	OpTruncate
	OpPunch
	OpSync
	OpReserve // not recorded: it changes nothing
	OpDrop    // memory forgets what failed syncs have lost, see Settle
	OpDirect  // only of Pause: a direct write has begun

	opKinds = iota
)

func (k OpKind) String() string {
	names := [...]string{"any", "read", "write", "truncate", "punch", "sync", "reserve", "drop", "direct"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Op is one recorded operation. Reads are not recorded.
type Op struct {
	Kind OpKind
	Off  int64  // of a write or punch, in bytes; the new size of a truncate
	Len  int64  // of a punch, in bytes
	Data []byte // of a write: what moved, less than asked for if it failed
	Err  error  // of a sync: why it failed
	Left *Mem   // of a drop: what the disk has
}

// Recorder is a File over a Mem that writes down, in order, all that changes
// the file. From its list Crash makes the contents a power failure may leave.
// Calls can be made to fail by Inject, to run out of space by Room, and writes to
// fall apart by Split.
//
// It plays the page cache as well: what waits when a sync fails counts as clean
// from then on, is read as it was written, and no later sync writes it. Settle
// drops it, and reads show what the disk has got of it.
type Recorder struct {
	mu     sync.Mutex
	base   *Mem // contents before the first operation; durable
	file   *Mem
	ops    []Op
	faults []*Fault
	calls  [opKinds]int
	pause  func(OpKind)
	split  func(n int) int
	room   *room
	past   *past
	lost   Survives // what a failed sync has written of what it was for

	moments []moment // at which all was durable, as far as looked for
	looked  int      // operations
	lossy   bool     // a sync has failed: no such moment after it
}

var _ storage.File = (*Recorder)(nil)

// NewRecorder records what happens to m, whose present contents count as
// durable.
func NewRecorder(m *Mem) *Recorder {
	return &Recorder{base: m.Clone(), file: m, lost: None}
}

// Ops returns the operations so far.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}

// Len is the number of operations so far: a mark a test keeps beside what it
// was promised at that time.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

// Pause makes every operation, once it is recorded, call f before it returns:
// a test can let others overtake it there.
func (r *Recorder) Pause(f func(OpKind)) { r.pause = f }

func (r *Recorder) paused(k OpKind) {
	if r.pause != nil {
		r.pause(k)
	}
}

// ReadAt implements File.
func (r *Recorder) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.fault(OpRead, off, int64(len(p))); f != nil {
		return 0, f.Err
	}
	return r.file.ReadAt(p, off)
}

// WriteAt implements File.
func (r *Recorder) WriteAt(p []byte, off int64) (int, error) {
	if err := storage.CheckRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	r.mu.Lock()
	r.past.soil(off, int64(len(p)))
	r.mu.Unlock()
	return r.writeAll(p, off)
}

// writeAll is a write by either way.
func (r *Recorder) writeAll(p []byte, off int64) (int, error) {
	first, f := r.plan(p, off)
	n, err := r.write(p[:first], off, f)
	if err != nil || first == len(p) {
		return n, err
	}
	m, err := r.write(p[first:], off+int64(first), nil)
	return n + m, err
}

// plan is how much of a write its first call moves, and the fault that meets it.
func (r *Recorder) plan(p []byte, off int64) (int, *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault(OpWrite, off, int64(len(p)))
	if f == nil && r.split != nil {
		if n := r.split(len(p)); n > 0 && n < len(p) {
			return n, nil
		}
	}
	return len(p), f
}

// write is one call: what f or the room leaves of it.
func (r *Recorder) write(p []byte, off int64, f *Fault) (int, error) {
	defer r.paused(OpWrite)
	r.mu.Lock()
	defer r.mu.Unlock()
	var failed error
	if f != nil {
		p, failed = p[:min(f.Moved, len(p))], f.Err
	} else if n := r.room.take(off, int64(len(p))); n < int64(len(p)) {
		p, failed = p[:n], unix.ENOSPC
	}
	if len(p) > 0 {
		r.ops = append(r.ops, Op{Kind: OpWrite, Off: off, Data: slices.Clone(p)})
	}
	n, err := r.file.WriteAt(p, off)
	if failed != nil {
		err = failed
	}
	return n, err
}

// Split makes a write of n bytes two calls if f(n) lies between 0 and n: as many
// bytes in the first, the rest in a second that others can overtake.
func (r *Recorder) Split(f func(n int) int) { r.split = f }

// Truncate implements File.
func (r *Recorder) Truncate(size int64) error {
	return r.change(Op{Kind: OpTruncate, Off: size})
}

// PunchHole implements File.
func (r *Recorder) PunchHole(off, n int64) error {
	return r.change(Op{Kind: OpPunch, Off: off, Len: n})
}

// change does and records a truncate or punch; a failing one does nothing.
func (r *Recorder) change(op Op) error {
	defer r.paused(op.Kind)
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.fault(op.Kind, op.Off, op.Len); f != nil {
		return f.Err
	}
	if err := op.apply(r.file); err != nil {
		return err
	}
	if op.Kind == OpPunch {
		r.room.give(op.Off, op.Len)
	}
	r.ops = append(r.ops, op)
	return nil
}

// Reserve implements File.
func (r *Recorder) Reserve(off, n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.fault(OpReserve, off, n); f != nil {
		return f.Err
	}
	return r.file.Reserve(off, n)
}

// Datasync implements File.
func (r *Recorder) Datasync() error {
	defer r.paused(OpSync)
	r.mu.Lock()
	defer r.mu.Unlock()
	op := Op{Kind: OpSync}
	if f := r.fault(OpSync, 0, 0); f != nil {
		op.Err = f.Err
	} else if op.Err = r.past.synced(); op.Err == nil {
		op.Err = r.room.synced()
	}
	r.ops = append(r.ops, op)
	return op.Err
}

// Settle implements File. What failed syncs have lost goes, but for what Lose has
// said. Where nothing waits for a sync there is none.
func (r *Recorder) Settle() error {
	if len(r.Pending(r.Len())) == 0 {
		return nil
	}
	if err := r.Datasync(); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnsettled, err)
	}
	n := r.Len()
	if len(r.Pending(n)) == 0 {
		return nil
	}
	left := r.Crash(n, r.lost)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file.become(left.Clone())
	r.ops = append(r.ops, Op{Kind: OpDrop, Left: left})
	return nil
}

// Lose says what the disk has got of the operations that failed syncs were for;
// nothing, unless it is called.
func (r *Recorder) Lose(but Survives) { r.lost = but }

// Size implements File.
func (r *Recorder) Size() (int64, error) { return r.file.Size() }

// SeekData implements File.
func (r *Recorder) SeekData(off int64) (int64, error) { return r.file.SeekData(off) }

// SeekHole implements File.
func (r *Recorder) SeekHole(off int64) (int64, error) { return r.file.SeekHole(off) }

// Fd implements File: -1, so that everything comes through the methods.
func (r *Recorder) Fd() int { return -1 }

// DirectFd implements File.
func (r *Recorder) DirectFd() int {
	if r.past == nil {
		return -1
	}
	return PastCache
}

// DirectAlign implements File.
func (r *Recorder) DirectAlign() int {
	if r.past == nil {
		return 0
	}
	return r.past.align
}

// Close implements File. It makes nothing durable.
func (r *Recorder) Close() error { return nil }

// Sectors is how many 512-byte sectors of the file a recorded write touches; 1
// of any other operation.
func (r *Recorder) Sectors(op int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.ops[op]
	if o.Kind != OpWrite {
		return 1
	}
	return int((o.Off+int64(len(o.Data))-1)/storage.SectorBytes - o.Off/storage.SectorBytes + 1)
}
