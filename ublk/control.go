// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"runtime"
	"sync"
	"time"
)

// deadlines are the times control commands may take before they are cancelled and reported as
// ErrTimeout.
type deadlines struct {
	quick time.Duration // commands that only read or set something
	start time.Duration // START_DEV and END_USER_RECOVERY: they wait for the server
	stop  time.Duration // STOP_DEV and QUIESCE_DEV: they wait for requests in flight
	del   time.Duration // DEL_DEV: it waits for whoever has the device open
}

// patience suits a slow machine; a healthy one needs milliseconds.
var patience = deadlines{quick: 10 * time.Second, start: 60 * time.Second, stop: 60 * time.Second,
	del: 30 * time.Second}

// Control sends control commands to the driver, one after another, from one thread of its own: the
// kernel ties the workers that run them to the thread that submits. Open another Control for a
// command that must not wait for others. All methods may be called from any goroutine.
type Control struct {
	calls   chan *call
	quit    chan struct{}
	ended   chan struct{}
	once    sync.Once
	timeout deadlines
	err     error // of closing; set before ended is closed
}

// call is one command on its way through the control thread.
type call struct {
	op    uint32
	cmd   ctrlCmd
	buf   []byte // sent as the command's buffer; the answer comes back in it
	limit time.Duration
	err   error
	done  chan struct{}
}

// OpenControl opens the driver's control node. ErrNoDriver, ErrPermission and ErrIOUringDisabled
// tell why it can't be.
func OpenControl() (*Control, error) {
	c := &Control{calls: make(chan *call), quit: make(chan struct{}), ended: make(chan struct{}), timeout: patience}
	opened := make(chan error)
	go c.thread(opened)
	if err := <-opened; err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends the control thread after the command it may be busy with. A second call does nothing.
func (c *Control) Close() error {
	c.once.Do(func() { close(c.quit) })
	<-c.ended
	return c.err
}

// thread is the control goroutine. It stays on one thread while it lives, because the kernel's
// workers that run its commands do, and takes the thread with it, unless a command is stuck: the
// thread's exit would wait for it.
func (c *Control) thread(opened chan<- error) {
	runtime.LockOSThread()
	ring, err := newControlRing()
	opened <- err
	if err != nil {
		return
	}
	for {
		select {
		case call := <-c.calls:
			call.err = ring.run(call)
			close(call.done)
		case <-c.quit:
			if len(ring.stuck) > 0 {
				runtime.UnlockOSThread()
			}
			c.err = ring.close()
			close(c.ended)
			return
		}
	}
}

// do runs one command and returns a *CommandError if it fails.
func (c *Control) do(op uint32, cmd ctrlCmd, buf []byte, limit time.Duration) error {
	call := &call{op: op, cmd: cmd, buf: buf, limit: limit, done: make(chan struct{})}
	select {
	case c.calls <- call:
	case <-c.quit:
		return &CommandError{Cmd: cmdName(op), ID: cmd.devID, Cause: ErrClosed}
	}
	<-call.done
	return call.err
}

// IsNoDevice says whether err means that the device isn't there (any more).
func IsNoDevice(err error) bool { return errors.Is(err, errNoDevice) }
