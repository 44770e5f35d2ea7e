// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"zqublkd/uring"
)

// wakeup is an eventfd whose READ is always in flight on the queue's ring. Calls in quick
// succession make one wake.
type wakeup struct {
	pending atomic.Bool // written and not yet seen by the queue
	mu      sync.Mutex  // between writing to fd and closing it
	fd      int
	isOpen  bool
	mem     *uring.Mem // where the ring reads the counter into
	armed   bool       // the READ is queued or in flight; the queue's thread only
}

// open makes the eventfd. It blocks, so that the ring waits by polling instead of failing with
// EAGAIN.
func (w *wakeup) open() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	w.fd, w.isOpen = fd, true
	w.mem, err = uring.NewMem(8)
	return err
}

// ring sets the queue's thread going. Only the first call since the thread last looked costs a
// system call.
func (w *wakeup) ring() {
	if w.pending.Load() || w.pending.Swap(true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.isOpen {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := unix.Write(w.fd, one[:]); err != unix.EINTR {
			return
		}
	}
}

// seen is called by the queue's thread before it looks for work, so that work added from now on
// wakes it again.
func (w *wakeup) seen() { w.pending.Store(false) }

// close gives the eventfd back. The ring must be closed before: it reads into mem.
func (w *wakeup) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.isOpen {
		return nil
	}
	err := unix.Close(w.fd)
	w.isOpen = false
	if w.mem != nil {
		err = errors.Join(err, w.mem.Free())
	}
	return err
}

// Wake makes Handler.Woken run on the queue's thread, soon. Any goroutine may call it at any time;
// calls that come before Woken runs are taken together.
func (q *Queue) Wake() { q.wake.ring() }
