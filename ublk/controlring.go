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

	ringSlots  = 16   // commands that may be stuck in the kernel at once
	slotBytes  = 1024 // room for one command's buffer
	entries    = 32   // submission entries: a command and its cancellation per slot
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

// newControlRing opens the control node and makes the ring on the calling thread.
func newControlRing() (*controlRing, error) {
	fd, err := openControlNode()
	if err != nil {
		return nil, err
	}
	r := &controlRing{fd: fd, stuck: make(map[uint64]int)}
	if r.ring, err = uring.New(uring.Options{Entries: entries, Flags: uring.SetupSQE128}); err == nil {
		r.mem, err = uring.NewMem(ringSlots * slotBytes)
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	for i := range ringSlots {
		r.free = append(r.free, i)
	}
	return r, nil
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
func (r *controlRing) close() error {
	var errs []error
	if r.ring != nil {
		errs = append(errs, r.ring.Close())
	}
	if r.mem != nil && len(r.stuck) == 0 {
		errs = append(errs, r.mem.Free())
	}
	return errors.Join(append(errs, unix.Close(r.fd))...)
}

// run submits a command and waits for its answer or its deadline.
func (r *controlRing) run(c *call) error {
	fail := func(cause error, stuck bool) error {
		return &CommandError{Cmd: cmdName(c.op), ID: c.cmd.devID, Cause: cause, Stuck: stuck}
	}
	if len(r.free) == 0 {
		return fail(ErrTimeout, true)
	}
	slot := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	id, ok := r.submit(c, slot)
	if !ok {
		r.free = append(r.free, slot)
		return fail(syscall.EBUSY, false)
	}
	res, err := r.await(id, time.Now().Add(c.limit))
	late := err == ErrTimeout
	if late {
		r.cancel(id)
		res, err = r.await(id, time.Now().Add(cancelTime))
	}
	if err != nil {
		r.stuck[id] = slot
		return fail(err, err == ErrTimeout)
	}
	copy(c.buf, r.slot(slot))
	r.free = append(r.free, slot)
	switch {
	case res >= 0:
		return nil
	case late:
		return fail(ErrTimeout, false)
	}
	return fail(syscall.Errno(-res), false)
}

// slot is the memory of slot i.
func (r *controlRing) slot(i int) []byte {
	return r.mem.Bytes()[i*slotBytes : (i+1)*slotBytes : (i+1)*slotBytes]
}

// submit queues the command; the wait that follows enters the kernel with it.
func (r *controlRing) submit(c *call, slot int) (id uint64, ok bool) {
	s := r.ring.Next()
	if s == nil || len(c.buf) > slotBytes {
		return 0, false
	}
	r.seq++
	s.Command(r.fd, c.op)
	s.UserData = r.seq
	if len(c.buf) > 0 {
		buf := r.slot(slot)[:len(c.buf)]
		copy(buf, c.buf)
		c.cmd.addr, c.cmd.len = uring.Address(buf), uint16(len(buf))
	}
	c.cmd.encode(r.ring.WidePayload(s)[:])
	return r.seq, true
}

// cancel asks the kernel to interrupt command id.
func (r *controlRing) cancel(id uint64) {
	if s := r.ring.Next(); s != nil {
		s.Cancel(id)
		s.UserData = id | cancelBit
	}
}

// await waits for the answer to command id. ErrTimeout says that the deadline came first.
func (r *controlRing) await(id uint64, deadline time.Time) (int32, error) {
	for {
		for c, ok := r.ring.Reap(); ok; c, ok = r.ring.Reap() {
			if c.UserData == id {
				return c.Res, nil
			}
			r.stray(c)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return 0, ErrTimeout
		}
		switch _, e := r.ring.EnterTimeout(1, left); e {
		case 0, unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY:
		default:
			return 0, e
		}
	}
}

// stray takes note of answers nobody waits for: cancellations, and commands given up before.
func (r *controlRing) stray(c uring.CQE) {
	if slot, ok := r.stuck[c.UserData]; ok {
		delete(r.stuck, c.UserData)
		r.free = append(r.free, slot)
	}
}
