// SPDX-License-Identifier: Apache-2.0

package storagetest

// Fault makes one call of a Recorder fail, or all from one on.
type Fault struct {
	Kind  OpKind // which calls count; OpAny counts all
	Nth   int    // the n-th such call from now fails, 1 is the next
	Err   error  // what it returns, a unix.Errno for instance
	Moved int    // bytes that a failing write still moves
	Stuck bool   // all such calls after it fail as well

	From, To int64 // only calls that touch these bytes count; 0, 0: all
}

// Inject adds a fault. Several may wait at a time; the first that is due is
// the one that happens.
func (r *Recorder) Inject(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &f)
}

// Heal takes away all faults.
func (r *Recorder) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

// Calls is how many calls of a kind there were so far, failed ones included.
func (r *Recorder) Calls(k OpKind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[k]
}

// fault counts a call about n bytes from off and returns the fault it meets, nil
// if it may go on.
func (r *Recorder) fault(k OpKind, off, n int64) (due *Fault) {
	r.calls[k]++
	for _, f := range r.faults {
		if f.To > 0 && (off >= f.To || off+n <= f.From) {
			continue
		}
		if f.counts(k) && due == nil {
			due = f
		}
	}
	return due
}

func (f *Fault) counts(k OpKind) (due bool) {
	if f.Kind != OpAny && f.Kind != k {
		return false
	}
	f.Nth--
	return f.Nth == 0 || f.Nth < 0 && f.Stuck
}
