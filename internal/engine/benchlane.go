// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
	"zqublkd/uring"
)

// benchLane plays the driver for one queue: requests come as fast as they are
// answered, their data stays in the queue's buffers. File I/O is real.
type benchLane struct {
	q      *Queue
	ring   *uring.Ring
	wake   int        // eventfd
	count  *uring.Mem // what is read from it
	descs  []ublk.IODesc
	free   []uint16 // tags without a request
	failed error
	enters uint64
}

// wakeTag marks the completions of the eventfd's READ.
const wakeTag = ^uint64(0)

func newBenchLane(d *Disk, id int, depth uint16, block uint32) (l *benchLane, err error) {
	l = &benchLane{wake: -1, descs: make([]ublk.IODesc, depth)}
	for tag := range depth {
		l.free = append(l.free, tag)
	}
	if l.q, err = NewQueue(d, id, depth, block); err != nil {
		return nil, err
	}
	l.q.lane = l
	l.ring, err = uring.New(uring.Options{Entries: 2*uint32(depth) + 2,
		Flags: uring.SetupSingleIssuer | uring.SetupDeferTaskrun | uring.SetupCoopTaskrun | uring.SetupClamp})
	if err == nil {
		l.registerRing()
		l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	}
	if err == nil {
		l.count, err = uring.NewMem(8)
	}
	if err != nil {
		return nil, errors.Join(err, l.closeRing(), l.close())
	}
	return l, nil
}

// registerRing tells the ring what a queue of the driver tells its own.
func (l *benchLane) registerRing() {
	_ = l.ring.RegisterFixedFiles(l.q.disk.descriptors()...)
	if l.ring.RegisterSparseBuffers(1) == nil {
		_ = l.ring.RegisterFixedBuffer(l.q.bufs.small.Bytes(), 0)
	}
}

// serve is send for a lane that sends once.
func (l *benchLane) serve(count uint64, target func(n uint64) ublk.IODesc) error {
	l.arm()
	return l.send(count, target)
}

// send sends count requests, none after one has failed, and waits for the answers to
// all that were sent: ring and workers use their buffers until then. The lane is armed.
func (l *benchLane) send(count uint64, target func(n uint64) ublk.IODesc) error {
	for sent := uint64(0); l.failed == nil && sent < count || len(l.free) < len(l.descs); {
		for l.failed == nil && sent < count && len(l.free) > 0 {
			tag := l.free[len(l.free)-1]
			l.free = l.free[:len(l.free)-1]
			l.descs[tag] = target(sent)
			l.q.Request(nil, tag)
			sent++
		}
		if len(l.free) < len(l.descs) {
			l.wait()
		}
	}
	return l.failed
}

// wait submits, waits for a completion and goes on with what has completed.
func (l *benchLane) wait() {
	l.q.submitting()
	l.enters++
	if _, e := l.ring.EnterRaw(1); e == unix.EINTR && l.ring.Ready() == 0 {
		_, _ = l.ring.Enter(1)
	}
	for c, ok := l.ring.Reap(); ok; c, ok = l.ring.Reap() {
		if c.UserData == wakeTag {
			l.q.Woken(nil)
			l.arm()
			continue
		}
		l.q.Done(nil, uint16(c.UserData), uint8(stepPiece), c.Res)
	}
}

// arm queues the READ of the eventfd.
func (l *benchLane) arm() {
	s := l.next()
	s.Read(l.wake, l.count.Bytes()[:8], 0)
	s.UserData = wakeTag
}

// next is a free submission.
func (l *benchLane) next() *uring.SQE {
	for {
		if s := l.ring.Next(); s != nil {
			return s
		}
		l.enters++
		_, _ = l.ring.EnterRaw(0)
	}
}

// closeRing is for the lane's own thread.
func (l *benchLane) closeRing() error {
	if l.ring == nil {
		return nil
	}
	return errors.Join(l.ring.UnregisterFixedFiles(), l.ring.Close())
}

// close gives back what workers use until they have ended.
func (l *benchLane) close() error {
	var errs []error
	if l.wake >= 0 {
		errs = append(errs, unix.Close(l.wake))
	}
	if l.count != nil {
		errs = append(errs, l.count.Free())
	}
	return errors.Join(append(errs, l.q.bufs.close())...)
}

// What a queue asks of its lane.

func (l *benchLane) Desc(tag uint16) ublk.IODesc { return l.descs[tag] }

func (l *benchLane) Complete(tag uint16, res int32) {
	if res < 0 && l.failed == nil {
		l.failed = fmt.Errorf("%s: %w", l.descs[tag], unix.Errno(-res))
		if why := l.q.slots[tag].err; why != nil && !errors.Is(l.failed, why) {
			l.failed = fmt.Errorf("%w (%w)", l.failed, why)
		}
	}
	l.free = append(l.free, tag)
	if len(l.q.answers) >= len(l.descs) { // none has needed file I/O: nothing is waited for
		l.q.submitting()
	}
}

func (l *benchLane) CompleteAppend(tag uint16, res int32, _ uint64) { l.Complete(tag, res) }

func (l *benchLane) ReadFile(tag uint16, _ uint8, fd int, buf []byte, off uint64) {
	s := l.next()
	l.ring.PrepareRead(s, fd, buf, off)
	s.UserData = uint64(tag)
}

func (l *benchLane) WriteFile(tag uint16, _ uint8, fd int, buf []byte, off uint64) {
	s := l.next()
	l.ring.PrepareWrite(s, fd, buf, off)
	s.UserData = uint64(tag)
}

func (l *benchLane) WriteFromRequest(tag uint16, _, write uint8, _ uint32, buf []byte, fd int, off uint64) {
	l.WriteFile(tag, write, fd, buf, off)
}

func (l *benchLane) CompleteRead(tag uint16, _ uint8, buf []byte) { l.Complete(tag, int32(len(buf))) }

func (l *benchLane) CopyFromRequestNow(_ uint16, _ uint32, buf []byte) (int, unix.Errno) {
	return len(buf), 0
}

func (l *benchLane) CopyToRequestNow(_ uint16, _ uint32, buf []byte) (int, unix.Errno) {
	return len(buf), 0
}

func (l *benchLane) Registered(uint16) bool                            { return false }
func (l *benchLane) ReadFilePages(uint16, uint8, int, uint32, uint64)  {}
func (l *benchLane) WriteFilePages(uint16, uint8, int, uint32, uint64) {}

func (l *benchLane) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(l.wake, one[:])
}
