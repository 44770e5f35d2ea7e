// SPDX-License-Identifier: Apache-2.0

package server

import (
	"sync/atomic"
	"time"
)

// pulse is how a queue's thread shows that it comes round: *engine.Queue.
type pulse interface {
	Ping()
	Beats() uint64
}

// watchdog tells whoever guards this process that it lives: as long as each queue's
// thread comes round. One that waits while the file under the image is being
// written or flushed lives, however long that takes: another process would wait
// for the same.
type watchdog struct {
	lanes   []pulse
	working func() bool // is file I/O being done?
	tell    func()
	ending  atomic.Bool // the queues end, or have; what is left is bounded elsewhere
	last    []uint64
}

func newWatchdog(lanes []pulse, working func() bool, tell func()) *watchdog {
	return &watchdog{lanes: lanes, working: working, tell: tell, last: make([]uint64, len(lanes))}
}

// look asks every queue for a sign of life, and tells of those that they have given
// since the last look. The first look only asks.
func (w *watchdog) look(first bool) {
	alive := true
	for k, q := range w.lanes {
		now := q.Beats()
		alive = alive && (first || now != w.last[k])
		w.last[k] = now
		if !w.ending.Load() {
			q.Ping()
		}
	}
	if alive || w.ending.Load() || w.working() {
		w.tell()
	}
}

// run looks every so often until the channel is closed.
func (w *watchdog) run(every time.Duration, done <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	w.look(true)
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			w.look(false)
		}
	}
}

// watch starts the watchdog of the device, if somebody wants it. The function that
// it returns is called when the device is about to go.
func (d *Device) watch(done <-chan struct{}) (ending func()) {
	if d.cfg.Watchdog == nil || d.cfg.WatchdogTime <= 0 {
		return func() {}
	}
	lanes := make([]pulse, len(d.lanes))
	for k, q := range d.lanes {
		lanes[k] = q
	}
	w := newWatchdog(lanes, d.disk.Working, d.cfg.Watchdog)
	go w.run(d.cfg.WatchdogTime/4, done)
	return func() { w.ending.Store(true) }
}
