// SPDX-License-Identifier: Apache-2.0

package ublktest

import (
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// listen takes the queues' commands from the pipe.
func (d *Driver) listen() {
	var b [slotBytes]byte
	for {
		if _, err := io.ReadFull(d.pipeR, b[:]); err != nil {
			return
		}
		d.command(get(b[:]))
	}
}

// command takes one command: an answer, if it isn't a first fetch, and the tag.
func (d *Driver) command(c ublk.TagCommand, user uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &d.queues[c.Queue].tags[c.Tag]
	if c.Fetch == t.busy || t.fetched {
		d.fault("queue %d tag %d: fetch %v of a tag with busy %v and fetched %v", c.Queue, c.Tag, c.Fetch, t.busy, t.fetched)
		return
	}
	if t.busy {
		d.check(t.desc, c)
		t.busy = false
		t.done <- Answer{c.Result, c.Sector}
	}
	t.fetched, t.user = true, user
	if d.stopped {
		d.send(int(c.Queue), t, -int32(unix.ENODEV))
	}
	d.changed.Broadcast()
}

// check notes an answer the kernel would not take for what it is meant.
func (d *Driver) check(r ublk.IODesc, c ublk.TagCommand) {
	full := uint64(c.Result) == r.Bytes()
	switch op := r.Op(); {
	case c.Result < 0:
	case op == ublk.OpReportZones && uint64(c.Result) < r.Bytes(), (op == ublk.OpRead || op.TakesData()) && !full:
		d.fault("queue %d tag %d: %s answered with %d bytes", c.Queue, c.Tag, r, c.Result)
	case op != ublk.OpZoneAppend && c.Sector != 0:
		d.fault("queue %d tag %d: %s answered with a sector", c.Queue, c.Tag, r)
	}
}

// fault notes what the server did wrong, for Close.
func (d *Driver) fault(format string, args ...any) {
	d.faults = append(d.faults, fmt.Errorf(format, args...))
}

// send completes the command that fetched t.
func (d *Driver) send(queue int, t *tag, res int32) {
	t.fetched = false
	d.ring.Next().Message(d.queues[queue].ringFD, t.user, uint32(res))
	for {
		if _, e := d.ring.Enter(1); e != 0 && e != unix.EINTR {
			d.fault("message to queue %d: %w", queue, e)
			return
		}
		if c, ok := d.ring.Reap(); ok {
			gone := d.stopped && c.Errno() == unix.EBADF // a queue that was told to quit has not waited for all tags
			if c.Res < 0 && !gone {
				d.fault("message to queue %d: %w", queue, c.Errno())
			}
			return
		}
	}
}

// Do sends a request through a queue and waits for its answer. data is what a WRITE or ZONE_APPEND
// carries, or where the data of a READ or REPORT_ZONES go. It waits for a free tag; ENODEV is the
// answer after Stop. Any goroutine may call it.
func (d *Driver) Do(queue int, r ublk.IODesc, data []byte) Answer {
	n, done, ok := d.submit(queue, r, data)
	if !ok {
		return Answer{Result: -int32(syscall.ENODEV)}
	}
	defer d.release(queue, n)
	a := <-done
	if r.Op().GivesData() && a.Result >= 0 {
		if got, err := unix.Pread(d.data, data, int64(ublk.CopyPosition(uint16(queue), uint16(n), 0))); err != nil ||
			got < len(data) {
			return Answer{Result: -int32(syscall.EIO)}
		}
	}
	return a
}

// submit hands a request to the server. The tag stays out of use until release, for its data to be
// read.
func (d *Driver) submit(queue int, r ublk.IODesc, data []byte) (n int, done chan Answer, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if d.stopped {
			return 0, nil, false
		}
		if n = d.idle(queue); n >= 0 {
			break
		}
		d.changed.Wait()
	}
	t := &d.queues[queue].tags[n]
	if err := d.fill(queue, n, r, data); err != nil {
		d.fault("data of queue %d tag %d: %w", queue, n, err)
		return 0, nil, false
	}
	t.busy, t.desc, t.done = true, r, make(chan Answer, 1)
	d.send(queue, t, 0)
	return n, t.done, true
}

// idle is a tag of the queue that a request can be put on, -1 if there is none.
func (d *Driver) idle(queue int) int {
	for i, t := range d.queues[queue].tags {
		if t.fetched && t.done == nil {
			return i
		}
	}
	return -1
}

// fill writes a request's descriptor and data to where the server finds them, filling what a READ
// is to overwrite.
func (d *Driver) fill(queue, n int, r ublk.IODesc, data []byte) error {
	r.Encode(d.Descs(queue)[n*ublk.IODescBytes:])
	if r.Op().GivesData() {
		data = make([]byte, len(data))
		for i := range data {
			data[i] = 0xa5
		}
	}
	_, err := unix.Pwrite(d.data, data, int64(ublk.CopyPosition(uint16(queue), uint16(n), 0)))
	return err
}

// release lets the tag be used again.
func (d *Driver) release(queue, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues[queue].tags[n].done = nil
	d.changed.Broadcast()
}

// Stop ends the device as STOP_DEV does: each tag comes back with ENODEV, the busy ones when they
// are answered.
func (d *Driver) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	for q := range d.queues {
		for i := range d.queues[q].tags {
			if t := &d.queues[q].tags[i]; t.fetched {
				d.send(q, t, -int32(unix.ENODEV))
			}
		}
	}
	d.changed.Broadcast()
}

// Break answers a fetch of the queue with an errno no server should ever see.
func (d *Driver) Break(queue int, e syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.idle(queue) < 0 {
		d.changed.Wait()
	}
	d.send(queue, &d.queues[queue].tags[d.idle(queue)], -int32(e))
}
