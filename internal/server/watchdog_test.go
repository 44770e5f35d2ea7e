// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// mute is a queue whose thread does not come round.
type mute struct{ pinged, beats uint64 }

func (m *mute) Ping()         { m.pinged++ }
func (m *mute) Beats() uint64 { return m.beats }

// TestWatchdog: a queue that gives no sign of life stops the signs of the whole
// process, but not while file I/O is being done, and not at the end.
func TestWatchdog(t *testing.T) {
	a, b := &mute{}, &mute{}
	told, working := 0, false
	w := newWatchdog([]pulse{a, b}, func() bool { return working }, func() { told++ })
	step := func(name string, want int, change func()) {
		t.Helper()
		change()
		w.look(false)
		if told != want {
			t.Errorf("%s: told %d times, want %d", name, told, want)
		}
	}
	w.look(true)
	if told != 1 || a.pinged != 1 || b.pinged != 1 {
		t.Errorf("the first look: told %d times, pings %d and %d", told, a.pinged, b.pinged)
	}
	step("both live", 2, func() { a.beats++; b.beats++ })
	step("one is stuck", 2, func() { a.beats++ })
	step("both are", 2, func() {})
	step("during a long flush", 3, func() { working = true })
	step("after it", 3, func() { working = false })
	step("both live again", 4, func() { a.beats += 2; b.beats++ })
	pings := a.pinged
	step("at the end", 5, func() { w.ending.Store(true) })
	if a.pinged != pings {
		t.Error("a queue that ends was pinged")
	}
}

// TestWatchdogOfDevice: real queues that nobody uses show that they live.
func TestWatchdogOfDevice(t *testing.T) {
	w := newWorld(t)
	d := w.daemon(RecoveryReissue)
	var told atomic.Int64
	d.cfg.Watchdog, d.cfg.WatchdogTime = func() { told.Add(1) }, 400*time.Millisecond
	d.users = func(uint32) []string { return nil }
	ctx, cancel := context.WithCancel(t.Context())
	up, ended := make(chan Record), make(chan error)
	go func() { ended <- d.serve(ctx, func(r Record) { up <- r }) }()
	<-up
	for end := time.Now().Add(20 * time.Second); told.Load() < 5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("told %d times", told.Load())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
