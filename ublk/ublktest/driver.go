// SPDX-License-Identifier: Apache-2.0

package ublktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
	"zqublkd/uring"
)

// Driver is a fake ublk driver with one device.
type Driver struct {
	info  ublk.DevInfo
	data  int        // the file user copies go to
	descs *uring.Mem // of all queues
	cmds  *uring.Mem // what is written to the pipe, one slot for each tag
	pipeR *os.File
	pipeW int

	mu      sync.Mutex
	changed *sync.Cond
	ring    *uring.Ring // sends messages to the queues' rings
	queues  []queue
	stopped bool
	faults  []error
}

// queue is the driver's side of a queue.
type queue struct {
	ringFD int
	tags   []tag
}

// tag is the driver's side of a tag.
type tag struct {
	fetched bool   // the server waits for a request on it
	busy    bool   // the server has one
	user    uint64 // user data of the command that fetched it
	desc    ublk.IODesc
	done    chan Answer
}

// Answer is what the server made of a request.
type Answer struct {
	Result int32  // bytes, 0, or -errno
	Sector uint64 // of a ZONE_APPEND
}

// Errno is the error answered, 0 for success.
func (a Answer) Errno() syscall.Errno {
	if a.Result < 0 {
		return syscall.Errno(-a.Result)
	}
	return 0
}

// slotBytes is the size of a command in the pipe: queue, tag, fetch, result, sector, user data,
// each where put puts it.
const slotBytes = 32

// New makes a driver with a device of the given queues, depth and flags; at most 2^10 tags in all.
func New(queues, depth uint16, flags ublk.Features) (*Driver, error) {
	d := &Driver{info: ublk.DevInfo{Queues: queues, Depth: depth, MaxIOBytes: 1 << 20,
		Flags: flags | ublk.FeatureUserCopy, ServerPID: int32(os.Getpid())}}
	d.changed = sync.NewCond(&d.mu)
	d.queues = make([]queue, queues)
	for i := range d.queues {
		d.queues[i] = queue{ringFD: -1, tags: make([]tag, depth)}
	}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("fake ublk driver: %w", err)
	}
	go d.listen()
	return d, nil
}

// open gets what the driver needs of the system.
func (d *Driver) open() (err error) {
	tags := int(d.info.Queues) * int(d.info.Depth)
	if d.data, err = openMemory(); err != nil {
		return err
	}
	if d.descs, err = uring.NewMem(tags * ublk.IODescBytes); err != nil {
		return err
	}
	if d.cmds, err = uring.NewMem(tags * slotBytes); err != nil {
		return err
	}
	if d.ring, err = uring.New(uring.Options{Entries: 4}); err != nil {
		return err
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	d.pipeR, d.pipeW = os.NewFile(uintptr(p[0]), "ublk commands"), p[1]
	return nil
}

// openMemory makes a file in memory whose descriptor doesn't block, as the char device's doesn't.
func openMemory() (int, error) {
	fd, err := unix.MemfdCreate("ublk requests", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// Device is the device to serve. Pass Attach as the ready function of its queues.
func (d *Driver) Device() *ublk.Device { return ublk.NewFakeDevice(d.info, d) }

// Attach tells the driver of a queue that is going to run.
func (d *Driver) Attach(q *ublk.Queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues[q.ID()].ringFD = q.RingFD()
}

// FD is the file user copies go to.
func (d *Driver) FD() int { return d.data }

// Descs is the memory of a queue's descriptors.
func (d *Driver) Descs(queue int) []byte {
	n := int(d.info.Depth) * ublk.IODescBytes
	return d.descs.Bytes()[queue*n : (queue+1)*n]
}

// slot is the place of a tag's command.
func (d *Driver) slot(queue, tag uint16) []byte {
	i := (int(queue)*int(d.info.Depth) + int(tag)) * slotBytes
	return d.cmds.Bytes()[i : i+slotBytes]
}

// Command makes s a write to the pipe that leaves no completion.
func (d *Driver) Command(s *uring.SQE, c ublk.TagCommand) {
	user := s.UserData
	b := d.slot(c.Queue, c.Tag)
	put(b, c, user)
	s.Write(d.pipeW, b, ^uint64(0))
	s.Flags |= uring.CQESkipSuccess
}

// put lays a command out for the pipe.
func put(b []byte, c ublk.TagCommand, user uint64) {
	e := binary.NativeEndian
	e.PutUint16(b, c.Queue)
	e.PutUint16(b[2:], c.Tag)
	b[4] = 0
	if c.Fetch {
		b[4] = 1
	}
	e.PutUint32(b[8:], uint32(c.Result))
	e.PutUint64(b[16:], c.Sector)
	e.PutUint64(b[24:], user)
}

// get is the inverse of put.
func get(b []byte) (c ublk.TagCommand, user uint64) {
	e := binary.NativeEndian
	return ublk.TagCommand{Queue: e.Uint16(b), Tag: e.Uint16(b[2:]), Fetch: b[4] != 0, Result: int32(e.Uint32(b[8:])),
		Sector: e.Uint64(b[16:])}, e.Uint64(b[24:])
}

// Close gives everything back and reports what the server did wrong. Its queues must be closed.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(append(d.faults, d.pipeR.Close(), unix.Close(d.pipeW), unix.Close(d.data), d.ring.Close(),
		d.cmds.Free(), d.descs.Free())...)
}
