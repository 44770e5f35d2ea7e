// SPDX-License-Identifier: Apache-2.0

//go:build vm

package ublk

import (
	"sync"
	"sync/atomic"
	"syscall"

	"zqublkd/uring"
)

// ramDisk is a zoned disk in memory that answers in each of the ways a server can: even zones by
// linked SQEs, odd zones on a goroutine that comes back by Wake.
type ramDisk struct {
	mu    sync.Mutex
	zones []BlkZone
	chunk uint64 // sectors
	mem   *uring.Mem

	deafToReports bool
	panicIn       atomic.Int32 // reads of the last zone panic in Request, Done or Woken
	failWith      atomic.Int32 // errno all writes get
	drops         atomic.Int32
	served        [32]atomic.Int64 // requests by op

	finished []finishedList // by queue
}

const (
	panicNowhere = iota
	panicRequest
	panicDone
	panicWoken
)

// finishedList is what goroutines have done for one queue.
type finishedList struct {
	mu   sync.Mutex
	list []finishedTag
}

type finishedTag struct {
	tag uint16
	res int32
}

func newRAMDisk(zones, conventional int, chunk, capacity uint64, queues int) (*ramDisk, error) {
	mem, err := uring.NewMem(zones * int(chunk) * SectorBytes)
	if err != nil {
		return nil, err
	}
	d := &ramDisk{chunk: chunk, mem: mem, finished: make([]finishedList, queues)}
	for i := range uint64(zones) {
		z := BlkZone{Start: i * chunk, Len: chunk, Capacity: capacity, WP: i * chunk, Type: ZoneSequential, Cond: CondEmpty}
		if int(i) < conventional {
			z.Type, z.Cond, z.Capacity = ZoneConventional, CondNotWP, chunk
		}
		d.zones = append(d.zones, z)
	}
	return d, nil
}

func (d *ramDisk) zone(sector uint64) (*BlkZone, int) {
	i := int(sector / d.chunk)
	return &d.zones[i], i
}

func (d *ramDisk) bytes(sector uint64, n uint64) []byte {
	return d.mem.Bytes()[sector*SectorBytes:][:n]
}

func (d *ramDisk) Request(q *Queue, tag uint16) {
	r := q.Desc(tag)
	d.served[r.Op()].Add(1)
	switch r.Op() {
	case OpRead:
		d.read(q, tag, r)
	case OpWrite, OpZoneAppend:
		d.write(q, tag, r)
	case OpFlush:
		q.CompleteOK(tag)
	case OpReportZones:
		d.report(q, tag, r)
	case OpZoneReset, OpZoneResetAll, OpZoneFinish, OpZoneOpen, OpZoneClose:
		d.manage(q, tag, r)
	default:
		q.Fail(tag, syscall.EOPNOTSUPP)
	}
}

func (d *ramDisk) read(q *Queue, tag uint16, r IODesc) {
	_, i := d.zone(r.StartSector())
	buf := d.bytes(r.StartSector(), r.Bytes())
	last := i == len(d.zones)-1
	switch {
	case last && d.panicIn.Load() == panicRequest:
		q.CopyToRequest(tag, 7, 0, buf) // in flight while the handler dies
		q.LinkNext()
		panic("told to panic in Request")
	case last && d.panicIn.Load() == panicDone:
		q.CopyToRequest(tag, 8, 0, buf)
		q.CopyToRequest(tag, 9, 0, buf)
	case i%2 == 1 || last:
		go func() {
			n, e := q.CopyToRequestNow(tag, 0, buf)
			d.finish(q, tag, int32(n)-int32(e))
		}()
	default:
		q.CopyToRequest(tag, 2, 0, buf)
		q.LinkNext()
		q.CompleteOK(tag)
	}
}

// finish hands a goroutine's result to the queue.
func (d *ramDisk) finish(q *Queue, tag uint16, res int32) {
	f := &d.finished[q.ID()]
	f.mu.Lock()
	f.list = append(f.list, finishedTag{tag, res})
	f.mu.Unlock()
	q.Wake()
}

func (d *ramDisk) Woken(q *Queue) {
	f := &d.finished[q.ID()]
	for {
		f.mu.Lock()
		if len(f.list) == 0 {
			f.mu.Unlock()
			return
		}
		t := f.list[0]
		f.list = f.list[1:]
		f.mu.Unlock()
		q.Handling(t.tag)
		if _, i := d.zone(q.Desc(t.tag).StartSector()); i == len(d.zones)-1 && d.panicIn.Load() == panicWoken {
			panic("told to panic in Woken")
		}
		q.Complete(t.tag, t.res)
	}
}

func (d *ramDisk) write(q *Queue, tag uint16, r IODesc) {
	if e := d.failWith.Load(); e != 0 {
		q.Fail(tag, syscall.Errno(e))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	z, _ := d.zone(r.StartSector())
	at := r.StartSector()
	if z.Type == ZoneSequential {
		if r.Op() == OpZoneAppend {
			at = z.WP
		}
		if at != z.WP || z.Cond == CondFull || at+uint64(r.Sectors()) > z.Start+z.Capacity {
			q.Fail(tag, syscall.EIO)
			return
		}
		if z.Cond == CondEmpty || z.Cond == CondClosed {
			z.Cond = CondImplicitOpen
		}
		if z.WP += uint64(r.Sectors()); z.WP == z.Start+z.Capacity {
			z.Cond = CondFull
		}
	}
	q.CopyFromRequest(tag, 1, 0, d.bytes(at, r.Bytes()))
	if r.Op() == OpZoneAppend {
		q.LinkNext()
		q.CompleteAppend(tag, int32(r.Bytes()), at)
	}
}

func (d *ramDisk) Done(q *Queue, tag uint16, step uint8, res int32) {
	switch {
	case step == 8 || step == 9:
		panic("told to panic in Done")
	case res < 0:
		q.Fail(tag, syscall.Errno(-res))
	default:
		q.Complete(tag, res)
	}
}

func (d *ramDisk) report(q *Queue, tag uint16, r IODesc) {
	if d.deafToReports {
		return
	}
	d.mu.Lock()
	first := r.StartSector() / d.chunk
	buf := make([]byte, r.Bytes())
	n := ReportZones(buf, d.zones[first:first+uint64(r.Zones())])
	d.mu.Unlock()
	if _, e := q.CopyToRequestNow(tag, 0, buf[:n]); e != 0 {
		q.Fail(tag, e)
		return
	}
	q.CompleteOK(tag)
}

func (d *ramDisk) manage(q *Queue, tag uint16, r IODesc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	zones := d.zones
	if r.Op() != OpZoneResetAll {
		_, i := d.zone(r.StartSector())
		zones = d.zones[i : i+1]
	}
	for i := range zones {
		if zones[i].Type == ZoneSequential {
			d.transit(&zones[i], r.Op())
		}
	}
	q.CompleteOK(tag)
}

func (d *ramDisk) transit(z *BlkZone, op Op) {
	switch op {
	case OpZoneReset, OpZoneResetAll:
		z.WP, z.Cond = z.Start, CondEmpty
		clear(d.bytes(z.Start, z.Len*SectorBytes))
	case OpZoneFinish:
		z.WP, z.Cond = z.Start+z.Len, CondFull
	case OpZoneOpen:
		z.Cond = CondExplicitOpen
	case OpZoneClose:
		if z.Cond = CondClosed; z.WP == z.Start {
			z.Cond = CondEmpty
		}
	}
}
