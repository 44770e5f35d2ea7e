// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"bytes"
	"fmt"
	"syscall"
	"time"

	"zqublkd/zoned"
)

// AnswerTime is how long a device may take to answer a request.
const AnswerTime = 20 * time.Second

// drive is a target and what it must hold.
type drive struct {
	Target
	geo      zoned.Geometry
	lim      zoned.Limits
	block    uint64
	content  *content
	patience time.Duration

	seen     []zoned.Info // reported, and nothing was asked for since
	acts     []string     // of this case
	lost     bool         // the device does not answer any more
	degraded map[uint32]bool
}

func newDrive(t Target) *drive {
	g := t.Geometry()
	return &drive{Target: t, geo: g, lim: t.Limits(), block: t.Block(), patience: AnswerTime,
		content: newContent(g.ZoneSize, g.Zones(), g.Conventional), degraded: map[uint32]bool{}}
}

// failure ends a case.
type failure struct {
	text string
	hung bool // no further request makes sense
}

func (d *drive) fail(format string, args ...any) { panic(failure{text: fmt.Sprintf(format, args...)}) }

func (d *drive) failIf(err error) {
	if err != nil {
		d.fail("%v", err)
	}
}

// zone is the k-th sequential zone, from 0.
func (d *drive) zone(k int) zone { return zone{d, d.geo.Conventional + uint32(k)} }

// zones are n sequential zones from the first on.
func (d *drive) zones(n int) []zone {
	zs := make([]zone, n)
	for k := range zs {
		zs[k] = d.zone(k)
	}
	return zs
}

// sequential counts the sequential zones.
func (d *drive) sequential() int { return int(d.geo.Zones() - d.geo.Conventional) }

func (d *drive) lastZone() zone      { return zone{d, d.geo.Zones() - 1} }
func (d *drive) conventional() zone  { return zone{d, 0} }
func (d *drive) blocks(n int) uint64 { return uint64(n) * d.block }

// answered runs one request and waits for its answer.
func (d *drive) answered(what any, request func() syscall.Errno) syscall.Errno {
	d.seen = nil
	answer := make(chan syscall.Errno, 1)
	go func() { answer <- request() }()
	select {
	case e := <-answer:
		return e
	case <-time.After(d.patience):
		panic(failure{text: fmt.Sprintf("%v: no answer after %s", what, d.patience), hung: true})
	}
}

// does does all of acts, one after the other: they must succeed.
func (d *drive) does(acts ...act) {
	for _, a := range acts {
		before := d.now()
		if e := d.do(a); e != 0 {
			d.fail("%s: got %s, want success", a, errnoName(e))
		}
		d.failIf(d.onlyOwn(a, before, d.report()))
	}
}

// refuses does each of acts: all must fail with errno and change nothing.
func (d *drive) refuses(errno syscall.Errno, acts ...act) {
	for _, a := range acts {
		before := d.now()
		e := d.do(a)
		changes := changed(before, d.report())
		if e != errno || changes != "" {
			d.fail("%s: got %s%s, want %s and no change", a, errnoName(e), changes, errnoName(errno))
		}
	}
}

// do does a and keeps track of what must be read.
func (d *drive) do(a act) syscall.Errno {
	d.acts = append(d.acts, a.String())
	off := d.geo.Start(a.zone) + a.off
	switch {
	case a.all:
		return d.doResetAll(a)
	case a.op == zoned.OpRead:
		return d.doRead(a, off)
	case a.op == zoned.OpWrite:
		return d.doWrite(a, off)
	case a.op == zoned.OpAppend:
		return d.doAppend(a, off)
	}
	e := d.answered(a, func() syscall.Errno { return d.Manage(a.op, off) })
	if e == 0 && a.op == zoned.OpReset {
		d.content.erased(a.zone)
	}
	return e
}

func (d *drive) doRead(a act, off uint64) syscall.Errno {
	p := bytes.Repeat([]byte{0xee}, int(a.n)) // nothing of it may stay
	e := d.answered(a, func() syscall.Errno { return d.Read(off, p) })
	if e == 0 {
		d.failIf(d.content.check(off, p))
	}
	return e
}

func (d *drive) doWrite(a act, off uint64) syscall.Errno {
	return d.answered(a, func() syscall.Errno { return d.writeFresh(off, a.n) })
}

// writeFresh writes n bytes at byte off of the disk. It may be called from any
// goroutine.
func (d *drive) writeFresh(off, n uint64) syscall.Errno {
	first, p := d.content.fresh(n)
	e := d.Write(off, p)
	if e == 0 {
		d.content.written(off, n, first)
	}
	return e
}

// appendFresh appends n bytes to the zone at byte off of the disk. It may be
// called from any goroutine.
func (d *drive) appendFresh(off, n uint64) (at uint64, e syscall.Errno) {
	first, p := d.content.fresh(n)
	at, e = d.Target.(Appender).Append(off, p)
	if e == 0 {
		d.content.written(at, n, first)
	}
	return at, e
}

// doAppend appends alone: the data must go to the write pointer.
func (d *drive) doAppend(a act, off uint64) syscall.Errno {
	wp := d.info(a.zone).WP
	var at uint64
	e := d.answered(a, func() (e syscall.Errno) {
		at, e = d.appendFresh(off, a.n)
		return e
	})
	if e == 0 && at != wp {
		d.fail("%s: went to %d, want the write pointer %d", a, at, wp)
	}
	return e
}

func (d *drive) doResetAll(a act) syscall.Errno {
	e := d.answered(a, d.ResetAll)
	for i := d.geo.Conventional; e == 0 && i < d.geo.Zones(); i++ {
		if !d.degraded[i] {
			d.content.erased(i)
		}
	}
	return e
}
