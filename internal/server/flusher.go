package server

import "sync"

// flusher lets flushes that arrive while one is running share the next.
type flusher struct {
	pass func() error

	mu       sync.Mutex
	ended    *sync.Cond
	running  bool
	started  uint64 // passes
	finished uint64
	err      error // of the last pass
}

func newFlusher(pass func() error) *flusher {
	f := &flusher{pass: pass}
	f.ended = sync.NewCond(&f.mu)
	return f
}

// Flush returns when a pass that began after the call has ended.
func (f *flusher) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	need := f.started + 1
	for f.finished < need {
		if f.running {
			f.ended.Wait()
			continue
		}
		f.run()
	}
	return f.err
}

func (f *flusher) run() {
	f.running = true
	f.started++
	pass := f.started
	f.mu.Unlock()
	err := f.pass()
	f.mu.Lock()
	f.running, f.finished, f.err = false, pass, err
	f.ended.Broadcast()
}
