// SPDX-License-Identifier: Apache-2.0

package zonetest_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"zqublkd/zoned"
)

// emulator is the rules of package zoned over bytes in memory.
type emulator struct {
	dev    *zoned.Device
	block  uint64
	maxIO  uint64
	faulty atomic.Bool // the next write fails

	mu    sync.Mutex
	bytes []byte
}

var errMedium = errors.New("the medium fails")

func newEmulator(g zoned.Geometry, l zoned.Limits, block, maxIO uint64) (*emulator, error) {
	e := &emulator{block: block, maxIO: maxIO, bytes: make([]byte, g.Size)}
	entries := make([]zoned.Entry, g.Zones())
	for i := range entries {
		entries[i].WP = g.Start(uint32(i))
	}
	var err error
	e.dev, err = zoned.New(g, l, slices.Values(entries), nil)
	return e, err
}

func (e *emulator) Geometry() zoned.Geometry { return e.dev.Geometry() }
func (e *emulator) Limits() zoned.Limits     { return e.dev.Limits() }
func (e *emulator) Block() uint64            { return e.block }
func (e *emulator) MaxIO() uint64            { return e.maxIO }

// request is a zoned.Op and where it hears of its end.
type request struct {
	zoned.Op
	back chan zoned.Outcome
}

func newRequest() *request {
	r := &request{back: make(chan zoned.Outcome, 1)}
	r.Owner = r
	return r
}

func answer(list *zoned.Op) {
	for o := list; o != nil; {
		next := o.Next()
		o.Owner.(*request).back <- o.Outcome
		o = next
	}
}

type beginFunc func(op *zoned.Op) (zoned.Verdict, error)

// granted begins a request until it is granted or has its answer.
func (r *request) granted(begin beginFunc) (bool, syscall.Errno) {
	for {
		switch v, err := begin(&r.Op); v {
		case zoned.Granted:
			return true, 0
		case zoned.Parked:
			<-r.back
		default:
			return false, errnoOf(err)
		}
	}
}

// run does one request: io between its begin and its end.
func run(begin beginFunc, io func(*zoned.Op) error, end func(*zoned.Op, error) *zoned.Op) syscall.Errno {
	r := newRequest()
	if ok, errno := r.granted(begin); !ok {
		return errno
	}
	answer(end(&r.Op, io(&r.Op)))
	if <-r.back == zoned.Failed {
		return errnoOf(r.Err)
	}
	return 0
}

func errnoOf(err error) syscall.Errno {
	var rule *zoned.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &rule):
		return rule.Rule.Errno()
	}
	return syscall.EIO
}

func (e *emulator) Read(off uint64, p []byte) syscall.Errno {
	r := newRequest()
	var readable uint64
	ok, errno := r.granted(func(op *zoned.Op) (v zoned.Verdict, err error) {
		v, readable, err = e.dev.BeginRead(op, off, uint64(len(p)))
		return v, err
	})
	if ok {
		e.mu.Lock()
		clear(p[copy(p, e.bytes[off:off+readable]):])
		e.mu.Unlock()
		answer(e.dev.EndRead(&r.Op))
	}
	return errno
}

func (e *emulator) Write(off uint64, p []byte) syscall.Errno {
	return run(func(op *zoned.Op) (zoned.Verdict, error) { return e.dev.BeginWrite(op, off, uint64(len(p))) }, e.put(p), e.dev.EndWrite)
}

func (e *emulator) Append(zone uint64, p []byte) (at uint64, errno syscall.Errno) {
	put := e.put(p)
	errno = run(func(op *zoned.Op) (zoned.Verdict, error) { return e.dev.BeginAppend(op, zone, uint64(len(p))) },
		func(op *zoned.Op) error { at = op.Start; return put(op) }, e.dev.EndWrite)
	return at, errno
}

// put is the I/O of a write. Half of a failing one gets there.
func (e *emulator) put(p []byte) func(*zoned.Op) error {
	return func(op *zoned.Op) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.faulty.Swap(false) {
			copy(e.bytes[op.Start:], p[:len(p)/2])
			return errMedium
		}
		copy(e.bytes[op.Start:], p)
		return nil
	}
}

func (e *emulator) Manage(op zoned.Operation, off uint64) syscall.Errno {
	begin := map[zoned.Operation]func(*zoned.Op, uint64) (zoned.Verdict, error){zoned.OpOpen: e.dev.BeginOpen,
		zoned.OpClose: e.dev.BeginClose, zoned.OpFinish: e.dev.BeginFinish, zoned.OpReset: e.dev.BeginReset}[op]
	end := e.dev.EndReset
	if op == zoned.OpFinish {
		end = e.dev.EndFinish
	}
	return run(func(o *zoned.Op) (zoned.Verdict, error) { return begin(o, off) }, e.tidy, end)
}

func (e *emulator) ResetAll() syscall.Errno {
	return run(e.dev.BeginResetAll, e.tidy, e.dev.EndReset)
}

// tidy is the I/O of a finish: the tail becomes zeros. A reset needs none.
func (e *emulator) tidy(op *zoned.Op) error {
	if op.Kind == zoned.OpFinish {
		e.mu.Lock()
		defer e.mu.Unlock()
		clear(e.bytes[e.dev.State(op.Zone).WP:e.Geometry().WritableEnd(op.Zone)])
	}
	return nil
}

func (e *emulator) Report(off uint64, n int) ([]zoned.Info, syscall.Errno) {
	return e.dev.Report(off, n), 0
}

func (e *emulator) FailNextWrite() { e.faulty.Store(true) }

func (e *emulator) PowerCycle() error { return e.restart(func([]zoned.Entry) {}) }

func (e *emulator) SetCondition(zone uint32, c zoned.Condition) error {
	return e.restart(func(entries []zoned.Entry) {
		entries[zone].Condition = c
		if c == zoned.Empty {
			entries[zone].WP = e.Geometry().Start(zone)
		}
	})
}

// restart makes the device again of what is left of it without power.
func (e *emulator) restart(change func([]zoned.Entry)) error {
	infos := e.dev.Report(0, int(e.Geometry().Zones()))
	entries := make([]zoned.Entry, len(infos))
	for i, z := range infos {
		entries[i].WP = z.WP
		if z.Condition == zoned.ReadOnly || z.Condition == zoned.Offline {
			entries[i].Condition = z.Condition
		}
	}
	change(entries)
	dev, err := zoned.New(e.Geometry(), e.Limits(), slices.Values(entries), nil)
	if err != nil {
		return fmt.Errorf("power cycle: %w", err)
	}
	e.dev = dev
	return nil
}
