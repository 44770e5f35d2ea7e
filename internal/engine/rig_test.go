// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"sync"
	"testing"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
	"zqublkd/uring"
)

// rig serves a disk as a daemon does, with real rings, threads, workers and file
// I/O. Only the driver is a fake. What the simulation can't show, shows here: I/O
// of several kinds on one page of a file at the same time.
type rig struct {
	t      testing.TB
	drv    *ublktest.Driver
	disk   *Disk
	queues int
	bufs   []*Queue
	ended  sync.WaitGroup
	said   chan error // of each queue, nil when it is up and what it ended with
}

func newRig(t testing.TB, d *Disk, queues, depth int) *rig {
	t.Helper()
	drv, err := ublktest.New(uint16(queues), uint16(depth), 0)
	if errors.Is(err, uring.ErrDisabled) {
		t.Skip("io_uring is forbidden on this machine: ", err)
	}
	if err == nil {
		err = d.Start(queues*depth, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, drv: drv, disk: d, queues: queues, said: make(chan error, 2*queues)}
	ublk.EnsureProcs(queues)
	for id := range queues {
		q, err := NewQueue(d, id, uint16(depth), simMaxIO)
		if err != nil {
			t.Fatal(err)
		}
		r.bufs = append(r.bufs, q)
		r.ended.Go(func() { r.said <- r.serve(id, q) })
	}
	for range queues {
		if err := <-r.said; err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// serve runs a queue.
func (r *rig) serve(id int, q *Queue) error {
	o := ublk.QueueOptions{OnSubmit: q.submitting, Files: r.disk.descriptors(), Memory: q.bufs.small.Bytes()}
	return r.drv.Device().Serve(id, o, q, func(ring *ublk.Queue) {
		q.lane = ring
		r.drv.Attach(ring)
		r.said <- nil
	})
}

// do sends one request of n bytes.
func (r *rig) do(queue int, op ublk.Op, flags ublk.OpFlags, off uint64, n uint32, data []byte) ublktest.Answer {
	return r.drv.Do(queue%r.queues, ublk.NewIODesc(op, flags, off/ublk.SectorBytes, n/ublk.SectorBytes), data)
}

// why is what the disk has said of the request that it refused last.
func (r *rig) why() string {
	if l := r.disk.lastErrors.list(); len(l) > 0 {
		return l[len(l)-1].Text
	}
	return "no reason given"
}

// close ends the disk in order.
func (r *rig) close() {
	r.t.Helper()
	r.drv.Stop()
	r.ended.Wait()
	err := r.disk.Close()
	for range r.queues {
		err = errors.Join(err, <-r.said)
	}
	for _, q := range r.bufs {
		err = errors.Join(err, q.bufs.close())
	}
	if err := errors.Join(err, r.drv.Close()); err != nil {
		r.t.Errorf("the end of the disk: %v", err)
	}
}
