package storage

import (
	"slices"
	"sync"
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

	opKinds = iota
)

func (k OpKind) String() string {
	names := [...]string{"any", "read", "write", "truncate", "punch", "sync", "reserve"}
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
}

// Recorder is a File over a Mem that writes down, in order, all that changes
// the file. From its list Crash makes the contents a power failure may leave.
// Calls can be made to fail by Inject.
type Recorder struct {
	mu     sync.Mutex
	base   *Mem // contents before the first operation; durable
	file   *Mem
	ops    []Op
	faults []*Fault
	calls  [opKinds]int
	pause  func(OpKind)

	moments []moment // at which all was durable, as far as looked for
	looked  int      // operations
	lossy   bool     // a sync has failed: no such moment after it
}

var _ File = (*Recorder)(nil)

// NewRecorder records what happens to m, whose present contents count as
// durable.
func NewRecorder(m *Mem) *Recorder {
	return &Recorder{base: m.Clone(), file: m}
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
	if f := r.fault(OpRead); f != nil {
		return 0, f.Err
	}
	return r.file.ReadAt(p, off)
}

// WriteAt implements File.
func (r *Recorder) WriteAt(p []byte, off int64) (int, error) {
	if err := checkRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	defer r.paused(OpWrite)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault(OpWrite)
	if f != nil {
		p = p[:min(f.Moved, len(p))]
	}
	if len(p) > 0 {
		r.ops = append(r.ops, Op{Kind: OpWrite, Off: off, Data: slices.Clone(p)})
	}
	n, err := r.file.WriteAt(p, off)
	if f != nil {
		err = f.Err
	}
	return n, err
}

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
	if f := r.fault(op.Kind); f != nil {
		return f.Err
	}
	if err := op.apply(r.file); err != nil {
		return err
	}
	r.ops = append(r.ops, op)
	return nil
}

// Reserve implements File.
func (r *Recorder) Reserve(off, n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.fault(OpReserve); f != nil {
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
	if f := r.fault(OpSync); f != nil {
		op.Err = f.Err
	}
	r.ops = append(r.ops, op)
	return op.Err
}

// Size implements File.
func (r *Recorder) Size() (int64, error) { return r.file.Size() }

// SeekData implements File.
func (r *Recorder) SeekData(off int64) (int64, error) { return r.file.SeekData(off) }

// Fd implements File: -1, so that everything comes through the methods.
func (r *Recorder) Fd() int { return -1 }

// DirectFd implements File.
func (r *Recorder) DirectFd() int { return -1 }

// DirectAlign implements File.
func (r *Recorder) DirectAlign() int { return 0 }

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
	return int((o.Off+int64(len(o.Data))-1)/sectorBytes - o.Off/sectorBytes + 1)
}
