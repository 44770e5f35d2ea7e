package qcow2

import "sync"

// flusher lets callers that need a flush at the same time share one: a flush
// counts for everybody who asked before it began.
type flusher struct {
	mu          sync.Mutex
	ended       sync.Cond
	begun, done uint64 // flushes; one is under way while they differ
}

func (f *flusher) init() { f.ended.L = &f.mu }

// join returns when a flush that began after the call has ended.
func (f *flusher) join(flush func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for want := f.begun + 1; f.done < want; {
		if f.begun != f.done {
			f.ended.Wait()
			continue
		}
		f.begun++
		f.mu.Unlock()
		flush()
		f.mu.Lock()
		f.done = f.begun
		f.ended.Broadcast()
	}
}

// datasync makes everything written before durable. It never tries again after
// a failure: pages the failed call was about may count as clean now, and a
// second one would call them durable.
func (i *Image) datasync() error {
	if err := i.Failed(); err != nil {
		return err
	}
	i.flusher.join(i.flush)
	return i.Failed()
}
