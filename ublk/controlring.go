// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/uring"
)

const (
	errNoDevice = syscall.ENODEV

	wireSlots  = 16   // commands that may be stuck in the kernel at once
	slotBytes  = 1024 // room for one command's buffer
	wireRing   = 32   // submission entries: a command and its cancellation per slot
	cancelTime = 2 * time.Second
	cancelBit  = 1 << 63 // marks the user data of cancellations
)

// controlRing is what the control thread owns: the node, a ring, and buffers the kernel may use
// after a command was given up.
type controlRing struct {
	fd    int
	ring  *uring.Ring
	mem   *uring.Mem
	free  []int          // slots of mem
	stuck map[uint64]int // commands given up and still in the kernel: user data to slot
	seq   uint64
}

// newWire opens the control node and makes the ring on the calling thread.
func newWire() (*controlRing, error) {
	fd, err := openControlNode()
	if err != nil {
		return nil, err
	}
	w := &controlRing{fd: fd, stuck: make(map[uint64]int)}
	if w.ring, err = uring.New(uring.Options{Entries: wireRing, Flags: uring.SetupSQE128}); err == nil {
		w.mem, err = uring.NewMem(wireSlots * slotBytes)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	for i := range wireSlots {
		w.free = append(w.free, i)
	}
	return w, nil
}

// openControlNode opens ControlPath and tells the reasons it can't apart.
func openControlNode() (int, error) {
	fd, err := unix.Open(ControlPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
		return fd, nil
	case unix.ENOENT, unix.ENXIO, unix.ENODEV:
		return -1, fmt.Errorf("%w: %w", ErrNoDriver, err)
	case unix.EACCES, unix.EPERM:
		return -1, fmt.Errorf("%w: %w", ErrPermission, err)
	}
	return -1, fmt.Errorf("open %s: %w", ControlPath, err)
}

// close gives everything back. A command that is still stuck keeps its buffer: the kernel may yet
// write it.
func (w *controlRing) close() error {
	var errs []error
	if w.ring != nil {
		errs = append(errs, w.ring.Close())
	}
	if w.mem != nil && len(w.stuck) == 0 {
		errs = append(errs, w.mem.Free())
	}
	return errors.Join(append(errs, unix.Close(w.fd))...)
}

// run submits a command and waits for its answer or its deadline.
func (w *controlRing) run(c *call) error {
	fail := func(cause error, stuck bool) error {
		return &CommandError{Cmd: cmdName(c.op), ID: c.cmd.devID, Cause: cause, Stuck: stuck}
	}
	if len(w.free) == 0 {
		return fail(ErrTimeout, true)
	}
	slot := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	id, ok := w.submit(c, slot)
	if !ok {
		w.free = append(w.free, slot)
		return fail(syscall.EBUSY, false)
	}
	res, err := w.await(id, time.Now().Add(c.limit))
	late := err == ErrTimeout
	if late {
		w.cancel(id)
		res, err = w.await(id, time.Now().Add(cancelTime))
	}
	if err != nil {
		w.stuck[id] = slot
		return fail(err, err == ErrTimeout)
	}
	copy(c.buf, w.slot(slot))
	w.free = append(w.free, slot)
	switch {
	case res >= 0:
		return nil
	case late:
		return fail(ErrTimeout, false)
	}
	return fail(syscall.Errno(-res), false)
}

// slot is the memory of slot i.
func (w *controlRing) slot(i int) []byte {
	return w.mem.Bytes()[i*slotBytes : (i+1)*slotBytes : (i+1)*slotBytes]
}

// submit queues the command; the wait that follows enters the kernel with it.
func (w *controlRing) submit(c *call, slot int) (id uint64, ok bool) {
	s := w.ring.Next()
	if s == nil || len(c.buf) > slotBytes {
		return 0, false
	}
	w.seq++
	s.Command(w.fd, c.op)
	s.UserData = w.seq
	if len(c.buf) > 0 {
		buf := w.slot(slot)[:len(c.buf)]
		copy(buf, c.buf)
		c.cmd.addr, c.cmd.len = uring.Address(buf), uint16(len(buf))
	}
	c.cmd.encode(w.ring.WidePayload(s)[:])
	return w.seq, true
}

// cancel asks the kernel to interrupt command id.
func (w *controlRing) cancel(id uint64) {
	if s := w.ring.Next(); s != nil {
		s.Cancel(id)
		s.UserData = id | cancelBit
	}
}

// await waits for the answer to command id. ErrTimeout says that the deadline came first.
func (w *controlRing) await(id uint64, deadline time.Time) (int32, error) {
	for {
		for c, ok := w.ring.Reap(); ok; c, ok = w.ring.Reap() {
			if c.UserData == id {
				return c.Res, nil
			}
			w.stray(c)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return 0, ErrTimeout
		}
		switch _, e := w.ring.EnterTimeout(1, left); e {
		case 0, unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY:
		default:
			return 0, e
		}
	}
}

// stray takes note of answers nobody waits for: cancellations, and commands given up before.
func (w *controlRing) stray(c uring.CQE) {
	if slot, ok := w.stuck[c.UserData]; ok {
		delete(w.stuck, c.UserData)
		w.free = append(w.free, slot)
	}
}
